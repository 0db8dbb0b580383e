#include "sandbox/record.h"

#include <charconv>

namespace fluxgate::sandbox {
namespace {

namespace json = boost::json;

constexpr std::size_t kIdLength = 36;

// Walks over the words of a line.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}
  std::string_view next() {
    auto space = rest_.find(' ');
    auto word = rest_.substr(0, space);
    rest_ = space == rest_.npos ? std::string_view() : rest_.substr(space + 1);
    return word;
  }
  Millis next_time() {
    auto word = next();
    Millis time = 0;
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), time);
    if (error != std::errc() || end != word.data() + word.size() || word.empty()) damaged_ = true;
    return time;
  }
  std::string_view rest() const { return rest_; }
  bool damaged() const { return damaged_; }

 private:
  std::string_view rest_;
  bool damaged_ = false;
};

json::object details_of(const Record& record) {
  json::object details;
  details["endpoint"] = record.endpoint;
  details["seed"] = record.seed;
  details["input"] = record.input;
  if (record.start_timeout) details["start_timeout"] = true;
  if (!record.webhook.empty()) details["webhook"] = record.webhook;
  if (!record.faults.empty()) {
    auto& faults = details["faults"].emplace_array();
    for (const Fault& fault : record.faults) faults.emplace_back(fault.text());
  }
  return details;
}

bool read_details(const json::object& details, Record& record) {
  const auto* endpoint = details.if_contains("endpoint");
  const auto* input = details.if_contains("input");
  const auto* seed = details.if_contains("seed");
  if (!endpoint || !endpoint->is_string() || !input || !input->is_object() || !seed) return false;
  record.endpoint = endpoint->get_string();
  record.input = input->get_object();
  boost::system::error_code wrong;
  record.seed = seed->to_number<std::uint64_t>(wrong);
  record.start_timeout = details.contains("start_timeout");
  if (const auto* webhook = details.if_contains("webhook"); webhook && webhook->is_string())
    record.webhook = webhook->get_string();
  if (const auto* faults = details.if_contains("faults"); faults && faults->is_array())
    for (const auto& text : faults->get_array())
      if (auto fault = text.is_string() ? parse_fault(text.get_string()) : std::nullopt)
        record.faults.push_back(std::move(*fault));
  return !wrong;
}

}  // namespace

std::string write_accepted(const Record& record) {
  return fmt::format("{} {} {} {} {} {} {}\n", record.webhook.empty() ? 'A' : 'H', record.id, record.account,
                     record.accepted_ms, record.start_ms, record.end_ms, json::serialize(details_of(record)));
}

std::string write_cancelled(std::string_view id, Millis at) { return fmt::format("C {} {}\n", id, at); }
std::string write_planned(std::string_view id, Millis start, Millis end) {
  return fmt::format("P {} {} {}\n", id, start, end);
}
std::string write_webhook_done(std::string_view id, Millis at) { return fmt::format("W {} {}\n", id, at); }

std::optional<RequestKey> request_key(std::string_view id) {
  if (id.size() != kIdLength) return std::nullopt;
  RequestKey key{};
  std::size_t digit = 0;
  for (std::size_t i = 0; i < id.size(); ++i) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    char c = id[i];
    if (dash != (c == '-')) return std::nullopt;
    if (dash) continue;
    int value = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (value < 0) return std::nullopt;
    key[digit / 2] = static_cast<unsigned char>(key[digit / 2] << 4 | value);
    ++digit;
  }
  return key;
}

std::optional<LineHead> read_line_head(std::string_view line) {
  Words words(line);
  auto kind = words.next();
  auto key = request_key(words.next());
  if (kind.size() != 1 || !key) return std::nullopt;
  LineHead head;
  head.kind = kind[0];
  head.key = *key;
  switch (head.kind) {
    case 'A':
    case 'H':
      head.account = words.next();
      head.accepted = words.next_time();
      head.start = words.next_time();
      head.end = words.next_time();
      head.json = words.rest();
      break;
    case 'P':
      head.start = words.next_time();
      head.end = words.next_time();
      break;
    case 'C':
    case 'W': head.at = words.next_time(); break;
    default: return std::nullopt;
  }
  if (words.damaged()) return std::nullopt;
  return head;
}

std::optional<Record> read_accepted(std::string_view line) {
  auto head = read_line_head(line);
  if (!head || (head->kind != 'A' && head->kind != 'H')) return std::nullopt;
  boost::system::error_code damaged;
  auto details = json::parse(head->json, damaged);
  if (damaged || !details.is_object()) return std::nullopt;
  Record record;
  record.id = line.substr(2, kIdLength);
  record.account = head->account;
  record.accepted_ms = head->accepted;
  record.start_ms = head->start;
  record.end_ms = head->end;
  if (!read_details(details.get_object(), record)) return std::nullopt;
  return record;
}

}  // namespace fluxgate::sandbox

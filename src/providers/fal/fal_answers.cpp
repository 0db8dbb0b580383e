#include "providers/fal/fal_answers.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/crypto.h"
#include "providers/fal/fal_address.h"
#include "providers/fal/fal_errors.h"
#include "providers/fal/fal_json.h"

namespace fluxgate::providers::fal {
namespace {

namespace json = boost::json;

constexpr std::size_t kOutputsMax = 16;
constexpr std::size_t kUrlBytes = 4096;
constexpr std::size_t kTypeBytes = 100;
constexpr std::size_t kPromptBytes = 8000;
constexpr int kSideMax = 100'000;
constexpr int kPositionMax = 1'000'000'000;

bool is_success(const HttpResponse& response) { return response.status >= 200 && response.status < 300; }

std::optional<int> position_of(const json::object& body) {
  auto* value = member(body, "queue_position");
  if (!value) return std::nullopt;
  std::int64_t position = -1;
  if (value->is_int64()) position = value->as_int64();
  if (value->is_string()) {  // seen on clones
    std::string_view text = value->as_string();
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), position);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  }
  if (position < 0 || position > kPositionMax) return std::nullopt;
  return static_cast<int>(position);
}

std::string status_word(const json::object& body) {
  std::string word = cut(text_of(body, "status"), 40);
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return word;
}

bool one_of(std::string_view word, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::optional<int> side_of(const json::object& image, std::string_view name) {
  auto* value = member(image, name);
  if (!value || !value->is_int64() || value->as_int64() <= 0 || value->as_int64() > kSideMax)
    return std::nullopt;
  return static_cast<int>(value->as_int64());
}

// "data:image/png;base64,…" → the bytes and their type.
bool read_data_uri(std::string_view url, Output& output) {
  auto comma = url.find(',');
  if (comma == std::string_view::npos) return false;
  std::string_view head = url.substr(5, comma - 5);
  if (!head.ends_with(";base64")) return false;
  auto bytes = crypto::unbase64(url.substr(comma + 1));
  if (!bytes || bytes->empty()) return false;
  if (auto type = head.substr(0, head.find(';')); !type.empty()) output.content_type = cut(type, kTypeBytes);
  output.bytes = std::move(*bytes);
  return true;
}

bool is_link(std::string_view url) {
  if (url.size() > kUrlBytes) return false;
  std::string_view rest;
  for (std::string_view scheme : {"https://", "http://"})
    if (url.starts_with(scheme)) rest = url.substr(scheme.size());
  bool host = !rest.empty() && rest.front() != '/' && rest.front() != '?' && rest.front() != '#';
  return host && std::none_of(url.begin(), url.end(), [](unsigned char c) { return c <= 0x20 || c == 0x7f; });
}

// One entry: {"url": …}, or on clones the link alone.
std::optional<Output> read_media(const json::value& value) {
  Output output;
  std::string_view link;
  if (auto* text = value.if_string()) link = *text;
  if (auto* object = value.if_object()) {
    output.content_type = cut(text_of(*object, "content_type"), kTypeBytes);
    output.width = side_of(*object, "width");
    output.height = side_of(*object, "height");
    if (auto* url = member(*object, "url"); url && url->is_string()) link = url->get_string();
  }
  if (link.starts_with("data:"))
    return read_data_uri(link, output) ? std::optional(std::move(output)) : std::nullopt;
  if (!is_link(link)) return std::nullopt;
  output.url = std::string(link);
  return output;
}

// has_nsfw_concepts[i] speaks of images[i] (§3.1).
bool flagged(const json::object& body, std::size_t index) {
  auto* flags = array_of(body, "has_nsfw_concepts");
  return flags && index < flags->size() && (*flags)[index].is_bool() && (*flags)[index].get_bool();
}

void read_list(const json::object& body, std::string_view many, std::string_view one,
               std::vector<Output>& outputs) {
  auto take = [&](const json::value& value, std::size_t index) {
    auto output = read_media(value);
    if (!output || outputs.size() >= kOutputsMax) return;
    output->flagged = flagged(body, index);
    outputs.push_back(std::move(*output));
  };
  if (auto* list = array_of(body, many))
    for (std::size_t i = 0; i < list->size() && outputs.size() < kOutputsMax; ++i) take((*list)[i], i);
  if (auto* single = member(body, one); single && outputs.empty()) take(*single, 0);
}

std::vector<Output> media_of(const json::object& body) {
  std::vector<Output> outputs;
  read_list(body, "images", "image", outputs);
  if (outputs.empty()) read_list(body, "videos", "video", outputs);
  return outputs;
}

// May exceed 2^53, and on some models 2^63 (§3.1).
std::optional<std::uint64_t> seed_of(const json::object& body) {
  auto* value = member(body, "seed");
  if (!value) return std::nullopt;
  if (value->is_uint64()) return value->as_uint64();
  if (value->is_int64() && value->as_int64() >= 0) return static_cast<std::uint64_t>(value->as_int64());
  return std::nullopt;
}

std::optional<double> seconds_of(const json::object& body) {
  auto* timings = object_of(body, "timings");
  auto seconds = timings ? number_of(*timings, "inference") : std::nullopt;
  constexpr double kDay = 86'400;
  return seconds && *seconds >= 0 && *seconds < kDay ? seconds : std::nullopt;
}

bool too_early(const HttpResponse& response) {
  return response.status == 400 && response.body.size() < 10'000 &&
         response.body.find("in progress") != std::string::npos;
}

}  // namespace

Outcome read_submit(const HttpResponse& response, const Job& job, const Account& account) {
  auto body = parse_object(response.body);
  if (!body) return unreadable(response, Took::maybe);
  std::string id = text_of(*body, "request_id");
  if (id.empty()) id = text_of(*body, "id");  // clones
  if (is_request_id(id)) {
    Accepted accepted;
    accepted.reference = reference_of(*body, id, job.path, account);
    accepted.queue_position = position_of(*body);
    return accepted;
  }
  // An aggregator that answers with pictures and no id did the work at once.
  if (!media_of(*body).empty()) return read_output(*body);
  if (complains(
          *body)) {  // a relay's refusal under a 200: not sent again, because nobody knows how far it got
    Failed failed = failed_payload(*body);
    failed.took = Took::maybe;
    return failed;
  }
  return unreadable(response, Took::maybe);
}

std::variant<AskResult, Outcome> read_status(const HttpResponse& response) {
  if (!is_success(response)) return Outcome(failed_call(response));
  auto body = parse_object(response.body);
  if (!body) return Outcome(unreadable(response, Took::yes));
  std::string word = status_word(*body);
  bool working = one_of(word, {"IN_QUEUE", "IN_PROGRESS"});
  if (!working && !media_of(*body).empty()) return Outcome(read_output(*body));
  if (one_of(word, {"COMPLETED", "DONE", "FINISHED", "SUCCESS", "SUCCEEDED"}))
    return AskResult{!text_of(*body, "error").empty() || !text_of(*body, "error_type").empty()};
  if (one_of(word, {"CANCELLED", "CANCELED"})) return Outcome(was_cancelled());
  if (one_of(word, {"FAILED", "FAILURE", "ERROR"})) return Outcome(failed_payload(*body));
  if (word == "NOT_FOUND") {
    HttpResponse gone = response;
    gone.status = 404;
    return Outcome(failed_call(gone));
  }
  Working now;
  now.running = one_of(word, {"IN_PROGRESS", "PROCESSING", "RUNNING"});
  now.queue_position = position_of(*body);
  return Outcome(now);
}

Outcome read_output(const json::object& output) {
  const json::object* body = &output;
  std::vector<Output> outputs = media_of(output);
  if (auto* inner = object_of(output, "response"); inner && outputs.empty()) {
    body = inner;
    outputs = media_of(*inner);
  }
  if (outputs.empty()) return complains(*body) ? failed_payload(*body) : no_media();
  Done done;
  done.outputs = std::move(outputs);
  done.seed = seed_of(*body);
  done.inference_seconds = seconds_of(*body);
  done.revised_prompt = cut(text_of(*body, "prompt"), kPromptBytes);
  return done;
}

Outcome read_result(const HttpResponse& response, bool badly) {
  if (too_early(response)) return Working{.running = true};
  if (!is_success(response)) return failed_result(response, badly ? Ended::badly : Ended::unsaid);
  auto body = parse_object(response.body);
  if (!body) return unreadable(response, Took::yes);
  return read_output(*body);
}

}  // namespace fluxgate::providers::fal

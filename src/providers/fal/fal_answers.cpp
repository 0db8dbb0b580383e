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

std::optional<int> position_of(const json::object& body) {
  auto* value = member(body, "queue_position");
  if (!value) return std::nullopt;
  std::int64_t position = -1;
  if (value->is_int64()) position = value->as_int64();
  if (value->is_string()) {  // seen on clones
    std::string_view text = value->as_string();
    std::from_chars(text.data(), text.data() + text.size(), position);
  }
  if (position < 0 || position > 1'000'000'000) return std::nullopt;
  return static_cast<int>(position);
}

std::string upper(std::string word) {
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return word;
}

bool one_of(std::string_view word, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::optional<int> side_of(const json::object& image, std::string_view name) {
  auto* value = member(image, name);
  if (!value || !value->is_int64() || value->as_int64() <= 0 || value->as_int64() > 100'000) return std::nullopt;
  return static_cast<int>(value->as_int64());
}

// "data:image/png;base64,…" → the bytes and their type.
bool read_data_uri(std::string_view url, Output& output) {
  auto comma = url.find(',');
  if (comma == std::string_view::npos) return false;
  std::string_view head = url.substr(5, comma - 5);
  auto semicolon = head.find(';');
  if (!head.ends_with(";base64")) return false;
  auto bytes = crypto::unbase64(url.substr(comma + 1));
  if (!bytes || bytes->empty()) return false;
  output.content_type = std::string(head.substr(0, semicolon));
  output.bytes = std::move(*bytes);
  return true;
}

std::optional<Output> read_media(const json::value& value) {
  auto* object = value.if_object();
  if (!object) return std::nullopt;
  Output output;
  output.content_type = cut(text_of(*object, "content_type"), 100);
  output.width = side_of(*object, "width");
  output.height = side_of(*object, "height");
  auto* url = member(*object, "url");
  if (!url || !url->is_string()) return std::nullopt;
  std::string_view link = url->as_string();
  if (link.starts_with("data:")) return read_data_uri(link, output) ? std::optional(output) : std::nullopt;
  if ((!link.starts_with("https://") && !link.starts_with("http://")) || link.size() > kUrlBytes) return std::nullopt;
  output.url = std::string(link);
  return output;
}

void read_list(const json::object& body, std::string_view many, std::string_view one, std::vector<Output>& outputs) {
  if (auto* list = array_of(body, many))
    for (const auto& item : *list) {
      if (outputs.size() >= kOutputsMax) return;
      if (auto output = read_media(item)) outputs.push_back(std::move(*output));
    }
  if (auto* single = member(body, one); single && outputs.empty())
    if (auto output = read_media(*single)) outputs.push_back(std::move(*output));
}

bool has_media(const json::object& body) {
  for (const char* name : {"images", "image", "videos", "video"})
    if (auto* value = member(body, name); value && (value->is_array() || value->is_object())) return true;
  return false;
}

std::optional<std::uint64_t> seed_of(const json::object& body) {
  auto* value = member(body, "seed");
  if (!value) return std::nullopt;
  if (value->is_uint64()) return value->as_uint64();
  if (value->is_int64() && value->as_int64() >= 0) return static_cast<std::uint64_t>(value->as_int64());
  return std::nullopt;
}

}  // namespace

Outcome read_submit(const HttpResponse& response, std::string_view endpoint_path) {
  auto body = parse_object(response.body);
  std::string id = body ? text_of(*body, "request_id") : "";
  if (id.empty() && body) id = text_of(*body, "id");  // clones
  bool sane = !id.empty() && id.size() <= 200 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '_' || c == '.';
  });
  if (!sane) {
    // An aggregator that answers 200 with pictures and no id did the work at once.
    if (body && has_media(*body)) return read_output(*body);
    Failed failed{.decision = Decision::retry, .took = Took::maybe, .code = "upstream_malformed"};
    failed.message = {"The provider's answer could not be read.", "无法解析服务商的应答。"};
    failed.detail = "no request_id in: " + cut(response.body, 300);
    return failed;
  }
  Accepted accepted;
  accepted.reference = reference_of(*body, id, endpoint_path);
  accepted.queue_position = position_of(*body);
  return accepted;
}

std::optional<Outcome> read_status(const HttpResponse& response) {
  auto body = parse_object(response.body);
  if (response.status >= 300) {
    if (response.status == 400 && response.body.find("in progress") != std::string::npos) return Working{.running = true};
    return failed_call(response);
  }
  if (!body) {
    HttpResponse unreadable = response;
    unreadable.status = 502;
    return failed_call(unreadable);
  }
  std::string word = upper(text_of(*body, "status"));
  if (has_media(*body)) return read_output(*body);  // some relays put the result there (§8.5)
  if (one_of(word, {"COMPLETED", "DONE", "FINISHED", "SUCCESS", "SUCCEEDED"})) return std::nullopt;
  if (one_of(word, {"CANCELLED", "CANCELED"})) {
    Failed failed{.decision = Decision::cancelled, .took = Took::yes, .code = "cancelled"};
    failed.message = {"This was cancelled.", "任务已取消。"};
    return failed;
  }
  if (one_of(word, {"FAILED", "ERROR"})) {
    HttpResponse as_result = response;
    as_result.status = 500;
    as_result.headers.emplace_back("x-fal-request-id", "of the status");
    return failed_result(as_result);
  }
  Working working;
  working.running = one_of(word, {"IN_PROGRESS", "PROCESSING", "RUNNING"});
  working.queue_position = position_of(*body);
  return working;
}

Outcome read_output(const json::object& output) {
  const json::object* body = &output;
  if (!has_media(output))
    if (auto* inner = object_of(output, "response")) body = inner;  // the older envelope (§1.6)
  Done done;
  read_list(*body, "images", "image", done.outputs);
  if (done.outputs.empty()) read_list(*body, "videos", "video", done.outputs);
  if (done.outputs.empty()) return no_media();
  if (auto* flags = array_of(*body, "has_nsfw_concepts"))
    for (std::size_t i = 0; i < flags->size() && i < done.outputs.size(); ++i)
      done.outputs[i].flagged = (*flags)[i].is_bool() && (*flags)[i].as_bool();
  done.seed = seed_of(*body);
  if (auto* timings = object_of(*body, "timings")) done.inference_seconds = number_of(*timings, "inference");
  done.revised_prompt = cut(text_of(*body, "prompt"), 8000);
  return done;
}

Outcome read_result(const HttpResponse& response) {
  if (response.status == 400 && response.body.find("in progress") != std::string::npos) return Working{.running = true};
  if (response.status >= 300) return failed_result(response);
  auto body = parse_object(response.body);
  if (!body) {
    Failed failed{.decision = Decision::retry, .took = Took::yes, .code = "upstream_malformed"};
    failed.message = {"The provider's answer could not be read.", "无法解析服务商的应答。"};
    failed.detail = "no JSON object: " + cut(response.body, 300);
    return failed;
  }
  return read_output(*body);
}

}  // namespace fluxgate::providers::fal

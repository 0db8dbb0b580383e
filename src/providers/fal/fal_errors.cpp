#include "providers/fal/fal_errors.h"

#include <algorithm>
#include <charconv>

#include "providers/fal/fal_json.h"

namespace fluxgate::providers::fal {
namespace {

namespace json = boost::json;

constexpr std::size_t kDetailBytes = 500;
constexpr std::size_t kMessageBytes = 300;
constexpr std::size_t kWordBytes = 64;

// ---- the vendor's words ----

// What can be read of an error body, whichever of its many shapes it has (§4.1).
struct Complaint {
  std::string type;     // machine code, "" = none
  std::string message;  // the vendor's words
  std::string param;    // the input's member that is to blame
  bool listed = false;  // in the model's own form, detail[] with types, not the platform's
};

// loc is ["body", "image_size", "width"]: the first name is the member that a user knows.
std::string param_of(const json::object& item) {
  auto* loc = array_of(item, "loc");
  if (!loc) return "";
  for (const auto& step : *loc)
    if (step.is_string() && step.as_string() != "body") return cut(step.as_string(), kWordBytes);
  return "";
}

Complaint complaint_of(const json::object& body) {
  Complaint complaint;
  complaint.type = text_of(body, "error_type");
  const json::object* item = object_of(body, "detail");
  if (auto* list = array_of(body, "detail"); list && !list->empty()) item = list->front().if_object();
  if (item) {
    complaint.listed = true;
    if (auto type = text_of(*item, "type"); !type.empty()) complaint.type = std::move(type);
    complaint.message = text_of(*item, "msg");
    complaint.param = param_of(*item);
  }
  if (complaint.message.empty()) complaint.message = text_of(body, "detail");
  if (complaint.message.empty()) complaint.message = text_of(body, "message");
  if (auto* error = object_of(body, "error"); error && complaint.message.empty()) {
    complaint.message = text_of(*error, "message");  // an aggregator's own shape (§8.1)
    complaint.type = text_of(*error, "type");
  }
  if (complaint.message.empty()) complaint.message = text_of(body, "error");
  complaint.type = cut(complaint.type, kWordBytes);
  complaint.message = cut(complaint.message, kMessageBytes);
  return complaint;
}

Complaint complaint_of(const HttpResponse& response) {
  auto body = parse_object(response.body);
  Complaint complaint = body ? complaint_of(*body) : Complaint{};
  if (complaint.type.empty()) complaint.type = cut(response.header("x-fal-error-type"), kWordBytes);
  return complaint;
}

// ---- the table of types (§4.2, §4.3) ----

enum class Kind { unlisted, content, no_media, input, model, timeout, cancelled };

struct TypeRule {
  std::string_view type;
  Kind kind;
  const char* en = "";  // what to tell the user about an input; "" = the vendor's words
  const char* zh = "";
};
constexpr TypeRule kTypes[] = {
    {"content_policy_violation", Kind::content},
    {"no_media_generated", Kind::no_media},
    {"image_too_small", Kind::input, "This image is too small for the model.", "该图片对此模型来说太小。"},
    {"image_too_large", Kind::input, "This image has too many pixels.", "该图片像素过多。"},
    {"image_load_error", Kind::input, "The provider could not read this image.", "服务商无法读取该图片。"},
    {"file_download_error", Kind::input, "The provider could not fetch this file.", "服务商无法下载该文件。"},
    {"file_too_large", Kind::input, "This file is too large for the provider.",
     "该文件超过服务商的大小限制。"},
    {"face_detection_error", Kind::input, "No face was found in this image.", "未能在图片中检测到人脸。"},
    {"feature_not_supported", Kind::input, "The model does not support this combination.",
     "该模型不支持此参数组合。"},
    {"unsupported_image_format", Kind::input, "The provider does not read this image format.",
     "服务商不支持该图片格式。"},
    {"missing", Kind::input, "The provider requires this parameter.", "服务商要求提供该参数。"},
    {"internal_server_error", Kind::model},
    {"downstream_service_error", Kind::model},
    {"downstream_service_unavailable", Kind::model},
    {"generation_timeout", Kind::timeout},
    {"request_timeout", Kind::timeout},
    {"startup_timeout", Kind::timeout},
    {"client_cancelled", Kind::cancelled},
};

const TypeRule* rule_of(std::string_view type) {
  auto* found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& rule) { return rule.type == type; });
  return found == std::end(kTypes) ? nullptr : found;
}

Kind kind_of(std::string_view type) {
  auto* rule = rule_of(type);
  return rule ? rule->kind : Kind::unlisted;
}

// ---- decisions ----

Failed made(Decision decision, Took took, std::string code, Text message,
            const HttpResponse* response = nullptr) {
  Failed failed;
  failed.decision = decision;
  failed.took = took;
  failed.code = std::move(code);
  failed.message = std::move(message);
  if (response) {
    failed.detail = cut("status " + std::to_string(response->status) + ": " + response->body, kDetailBytes);
  }
  return failed;
}

std::optional<int> retry_after(const HttpResponse& response) {
  std::string_view text = response.header("retry-after");
  int seconds = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || seconds < 0) return std::nullopt;
  return seconds;
}

Failed busy(const HttpResponse& response, Took took) {
  Failed failed = made(Decision::retry, took, "upstream_busy",
                       {"The provider is overloaded.", "服务商繁忙。"}, &response);
  failed.retry_after_s = retry_after(response);
  return failed;
}

Failed down(const HttpResponse& response, Took took) {
  Failed failed = made(Decision::retry, took, "upstream_down",
                       {"The provider is unreachable or failing.", "服务商无法连接或出错。"}, &response);
  failed.retry_after_s = retry_after(response);
  return failed;
}

// 401, 402, 403. An exhausted balance is a 403 with a sentence (§1.8); relays speak of quota.
Failed account_refused(const HttpResponse& response, Took took) {
  auto complaint = complaint_of(response);
  std::string words = complaint.type + " " + complaint.message;
  auto says = [&](std::string_view word) { return words.find(word) != std::string::npos; };
  bool balance = response.status == 402 || says("balance") || says("is locked") || says("quota");
  if (balance)
    return made(Decision::account, took, "upstream_balance",
                {"The balance of the provider's account is used up.", "服务商账户余额不足。"}, &response);
  return made(Decision::account, took, "upstream_auth",
              {"The provider refuses the key of our account.", "服务商拒绝了我们账户的密钥。"}, &response);
}

Failed wrong_address(const HttpResponse& response, Took took) {
  return made(Decision::account, took, "upstream_address",
              {"The provider's address answers with a redirect; it has to be set to where it leads.",
               "服务商地址返回了重定向，请改为其指向的地址。"},
              &response);
}

Failed lost(const HttpResponse& response) {
  return made(Decision::lost, Took::yes, "upstream_lost",
              {"The provider lost this request.", "服务商丢失了该请求。"}, &response);
}

Failed refused_content(const Complaint& complaint, const HttpResponse* response) {
  Failed failed =
      made(Decision::reject, Took::yes, "content_policy",
           {"The provider refused this prompt or image.", "服务商拒绝了该提示词或图片。"}, response);
  failed.param = complaint.param;
  return failed;
}

Failed refused_input(const Complaint& complaint, const HttpResponse* response) {
  Text message{"The provider does not accept this request.", "服务商不接受该请求。"};
  if (!complaint.message.empty()) {
    std::string what = (complaint.param.empty() ? "" : complaint.param + ": ") + complaint.message;
    message = {"The provider does not accept this: " + what, "服务商不接受：" + what};
  }
  auto* rule = rule_of(complaint.type);
  if (rule && *rule->en) message = {rule->en, rule->zh};
  Failed failed = made(Decision::reject, Took::yes, "invalid_input", std::move(message), response);
  failed.param = complaint.param;
  return failed;
}

Failed model_failed(const HttpResponse* response) {
  return made(Decision::fail, Took::yes, "upstream_failed",
              {"The provider failed to make it.", "服务商生成失败。"}, response);
}

Failed timed_out(const HttpResponse* response) {
  return made(Decision::fail, Took::yes, "timeout", {"The provider ran out of time.", "服务商处理超时。"},
              response);
}

// The end of a request, by its type; by the status that came with it where the type is not in the table.
Failed ended(const Complaint& complaint, int http_status, const HttpResponse* response) {
  switch (kind_of(complaint.type)) {
    case Kind::content: return refused_content(complaint, response);
    case Kind::no_media: return no_media();
    case Kind::input: return refused_input(complaint, response);
    case Kind::model: return model_failed(response);
    case Kind::timeout: return timed_out(response);
    case Kind::cancelled: return was_cancelled();
    case Kind::unlisted: break;
  }
  if (http_status == 499) return was_cancelled();
  bool input = http_status == 0 ? complaint.listed : http_status >= 400 && http_status < 500;
  return input ? refused_input(complaint, response) : model_failed(response);
}

// What the service itself says about trying again (§4.2: when present it wins).
std::optional<bool> wants_retry(const HttpResponse& response) {
  for (const char* name : {"x-fal-needs-retry", "x-fal-retryable"}) {
    std::string_view said = response.header(name);
    if (said == "1" || said == "true") return true;
    if (said == "0" || said == "false") return false;
  }
  return std::nullopt;
}

// Whether a 5xx on a result is the request's own end, and not the trouble of whoever should have brought it.
bool is_the_end(const HttpResponse& response, const Complaint& complaint, Ended before) {
  bool says_something = complaint.listed || !complaint.type.empty() || !complaint.message.empty();
  if (!says_something) return false;  // an ingress page, whatever stands behind it
  if (before == Ended::badly || complaint.listed) return true;
  if (auto wanted = wants_retry(response)) return !*wanted;
  if (kind_of(complaint.type) != Kind::unlisted) return true;
  // An application without newer status fields that crashed: 500 and a sentence, no platform type (§4.2).
  return response.status == 500 && complaint.type.empty();
}

}  // namespace

Failed refused_submit(const HttpResponse& response) {
  int status = response.status;
  if (status >= 300 && status < 400) return wrong_address(response, Took::no);
  switch (status) {
    case 401:
    case 402:
    case 403: return account_refused(response, Took::no);
    case 408: return down(response, Took::no);  // it did not get the whole request (RFC 9110 §15.5.9)
    case 429: return busy(response, Took::no);
    case 404:
    case 405:
      return made(Decision::fail, Took::no, "upstream_unknown_model",
                  {"The provider does not know this model.", "服务商没有该模型。"}, &response);
    case 400:
    case 413:
    case 415:
    case 422: {
      Failed failed = ended(complaint_of(response), status, &response);
      failed.took = Took::no;
      return failed;
    }
    default: break;
  }
  if (status < 500) return down(response, Took::maybe);
  bool own_words = !response.header("x-fal-request-id").empty() ||
                   !response.header("x-fal-error-type").empty() || !complaint_of(response).type.empty();
  bool somebody_between = (status == 502 || status == 504) && !own_words;
  return down(response, somebody_between ? Took::maybe : Took::no);
}

Failed failed_result(const HttpResponse& response, Ended before) {
  int status = response.status;
  if (status >= 300 && status < 400) return wrong_address(response, Took::yes);
  if (status == 401 || status == 402 || status == 403) return account_refused(response, Took::yes);
  if (status == 404) return lost(response);
  if (status == 429) return busy(response, Took::yes);
  if (status == 405 || status == 408) return down(response, Took::yes);
  Complaint complaint = complaint_of(response);
  if (status >= 500 && !is_the_end(response, complaint, before)) return down(response, Took::yes);
  return ended(complaint, status, &response);
}

Failed failed_call(const HttpResponse& response) {
  int status = response.status;
  if (status >= 300 && status < 400) return wrong_address(response, Took::yes);
  if (status == 401 || status == 402 || status == 403) return account_refused(response, Took::yes);
  if (status == 404) return lost(response);
  if (status == 429) return busy(response, Took::yes);
  return down(response, Took::yes);
}

Failed failed_payload(const json::object& payload, int http_status) {
  Failed failed = ended(complaint_of(payload), http_status, nullptr);
  failed.detail = cut(json::serialize(payload), kDetailBytes);
  return failed;
}

bool complains(const json::object& body) {
  Complaint complaint = complaint_of(body);
  return complaint.listed || !complaint.message.empty();
}

Failed no_media() {
  return made(Decision::fail, Took::yes, "no_media",
              {"The provider finished without a picture; another seed may help.",
               "服务商未生成图片，可换一个种子再试。"});
}

Failed was_cancelled() {
  return made(Decision::cancelled, Took::yes, "cancelled", {"This was cancelled.", "任务已取消。"});
}

Failed unreadable(const HttpResponse& response, Took took) {
  return made(Decision::retry, took, "upstream_malformed",
              {"The provider's answer could not be read.", "无法解析服务商的应答。"}, &response);
}

void hide_key(Failed& failed, std::string_view key) {
  constexpr std::size_t kWorthHiding = 6;  // shorter ones are no secret, and would tear words apart
  constexpr std::string_view kInstead = "***";
  auto hide = [&](std::string& text, std::string_view secret) {
    if (secret.size() < kWorthHiding) return;
    for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + kInstead.size()))
      text.replace(at, secret.size(), kInstead);
    // Texts were cut to their length before: a part of the key may be left at the end.
    for (std::size_t part = std::min(secret.size(), text.size()); part >= kWorthHiding; --part)
      if (text.ends_with(secret.substr(0, part))) text.replace(text.size() - part, part, kInstead);
  };
  auto colon = key.find(':');
  for (std::string* text : {&failed.message.en, &failed.message.zh, &failed.detail, &failed.param}) {
    hide(*text, key);
    if (colon != std::string_view::npos) hide(*text, key.substr(colon + 1));  // the half that is the secret
  }
}

}  // namespace fluxgate::providers::fal

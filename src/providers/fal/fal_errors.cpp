#include "providers/fal/fal_errors.h"

#include <charconv>

#include "providers/fal/fal_json.h"

namespace fluxgate::providers::fal {
namespace {

namespace json = boost::json;

constexpr std::size_t kDetailBytes = 500;
constexpr std::size_t kMessageBytes = 300;

// What can be read of an error body, whichever of its many shapes it has (§4.1).
struct Complaint {
  std::string type;     // machine code, "" = none
  std::string message;  // the vendor's words
  std::string param;    // last name in loc behind "body"
};

std::string param_of(const json::object& item) {
  auto* loc = array_of(item, "loc");
  if (!loc) return "";
  std::string name;
  for (const auto& step : *loc)
    if (step.is_string() && step.as_string() != "body") name = cut(step.as_string(), 64);
  return name;
}

Complaint complaint_of(const json::object& body) {
  Complaint complaint;
  complaint.type = text_of(body, "error_type");
  const json::object* item = object_of(body, "detail");
  if (auto* list = array_of(body, "detail"); list && !list->empty()) item = list->front().if_object();
  if (item) {
    complaint.type = text_of(*item, "type");
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
  complaint.type = cut(complaint.type, 64);
  complaint.message = cut(complaint.message, kMessageBytes);
  return complaint;
}

Complaint complaint_of(const HttpResponse& response) {
  auto body = parse_object(response.body);
  Complaint complaint = body ? complaint_of(*body) : Complaint{};
  if (complaint.type.empty()) complaint.type = cut(response.header("x-fal-error-type"), 64);
  return complaint;
}

Failed made(Decision decision, Took took, std::string code, Text message, const HttpResponse* response) {
  Failed failed;
  failed.decision = decision;
  failed.took = took;
  failed.code = std::move(code);
  failed.message = std::move(message);
  if (response) failed.detail = cut("status " + std::to_string(response->status) + ": " + response->body, kDetailBytes);
  return failed;
}

std::optional<int> retry_after(const HttpResponse& response) {
  std::string_view text = response.header("retry-after");
  int seconds = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || seconds < 0) return std::nullopt;
  return seconds;
}

Failed account_refused(const HttpResponse& response) {
  bool balance = response.body.find("balance") != std::string::npos || response.body.find("locked") != std::string::npos ||
                 response.body.find("quota") != std::string::npos || response.status == 402;
  if (balance)
    return made(Decision::account, Took::no, "upstream_balance",
                {"The balance of the provider's account is used up.", "服务商账户余额不足。"}, &response);
  return made(Decision::account, Took::no, "upstream_auth",
              {"The provider refuses the key of our account.", "服务商拒绝了我们账户的密钥。"}, &response);
}

Failed down(const HttpResponse& response, Took took) {
  Failed failed = made(Decision::retry, took, "upstream_down", {"The provider is unreachable or failing.", "服务商无法连接或出错。"}, &response);
  failed.retry_after_s = retry_after(response);
  return failed;
}

Failed refused_input(const Complaint& complaint, const HttpResponse* response) {
  if (complaint.type == "content_policy_violation") {
    Failed failed = made(Decision::reject, Took::yes, "content_policy",
                         {"The provider refused this prompt or image.", "服务商拒绝了该提示词或图片。"}, response);
    failed.param = complaint.param;
    return failed;
  }
  if (complaint.type == "no_media_generated") return no_media();
  std::string what = complaint.param.empty() ? "" : complaint.param + ": ";
  what += complaint.message;
  Text message{"The provider does not accept this request.", "服务商不接受该请求。"};
  if (!what.empty()) message = {"The provider does not accept this: " + what, "服务商不接受：" + what};
  Failed failed = made(Decision::reject, Took::yes, "invalid_input", std::move(message), response);
  failed.param = complaint.param;
  return failed;
}

bool is_timeout(std::string_view type) {
  return type == "generation_timeout" || type == "request_timeout" || type == "startup_timeout";
}

Failed cancelled(const HttpResponse* response) {
  return made(Decision::cancelled, Took::yes, "cancelled", {"This was cancelled.", "任务已取消。"}, response);
}

Failed model_failed(const Complaint& complaint, const HttpResponse* response) {
  if (is_timeout(complaint.type))
    return made(Decision::fail, Took::yes, "timeout", {"The provider ran out of time.", "服务商处理超时。"}, response);
  return made(Decision::fail, Took::yes, "upstream_failed", {"The provider failed to make it.", "服务商生成失败。"}, response);
}

}  // namespace

Failed no_media() {
  return made(Decision::fail, Took::yes, "no_media",
              {"The provider finished without a picture; another seed may help.", "服务商未生成图片，可换一个种子再试。"}, nullptr);
}

Failed upstream_busy(const HttpResponse& response) {
  Failed failed = made(Decision::retry, Took::no, "upstream_busy", {"The provider is overloaded.", "服务商繁忙。"}, &response);
  failed.retry_after_s = retry_after(response);
  return failed;
}

Failed refused_submit(const HttpResponse& response) {
  switch (response.status) {
    case 401:
    case 402:
    case 403: return account_refused(response);
    case 429: return upstream_busy(response);
    case 404:
    case 405:
      return made(Decision::fail, Took::no, "upstream_unknown_model",
                  {"The provider does not know this model.", "服务商没有该模型。"}, &response);
    case 400:
    case 413:
    case 422: {
      Failed failed = refused_input(complaint_of(response), &response);
      failed.took = Took::no;
      return failed;
    }
    default: break;
  }
  // A 5xx comes before a request id was given out: the queue answers 200 with one, or nothing was queued
  // (§2.6, §4.3, §4.4). A gateway's own 502 and 504 are the exception: the queue may stand behind them
  // and have taken the work, unless the platform says in its own words that it did not.
  bool platform = !response.header("x-fal-request-id").empty() || !complaint_of(response).type.empty();
  bool behind = (response.status == 502 || response.status == 504) && !platform;
  if (response.status >= 500) return down(response, behind ? Took::maybe : Took::no);
  return down(response, Took::maybe);  // a status that nobody documented
}

Failed failed_result(const HttpResponse& response) {
  Complaint complaint = complaint_of(response);
  if (complaint.type == "client_cancelled" || response.status == 499) return cancelled(&response);
  if (response.status == 401 || response.status == 403) return account_refused(response);
  if (response.status == 404)
    return made(Decision::lost, Took::yes, "upstream_lost", {"The provider lost this request.", "服务商丢失了该请求。"}, &response);
  if (response.status == 429) return upstream_busy(response);
  if (response.status == 422 || response.status == 400) return refused_input(complaint, &response);
  // The model's own failure has a type, a sentence or the platform's header: the request has ended, and asking
  // again would only repeat it, whatever X-Fal-Needs-Retry says (that is about a new request, which is a new
  // price). An ingress page is merely in the way.
  bool final = !response.header("x-fal-request-id").empty() || !complaint.type.empty() || !complaint.message.empty();
  return final ? model_failed(complaint, &response) : down(response, Took::yes);
}

Failed failed_call(const HttpResponse& response) {
  if (response.status == 401 || response.status == 403) return account_refused(response);
  if (response.status == 404)
    return made(Decision::lost, Took::yes, "upstream_lost", {"The provider lost this request.", "服务商丢失了该请求。"}, &response);
  if (response.status == 429) return upstream_busy(response);
  return down(response, Took::yes);
}

Failed failed_payload(const json::object& payload) {
  Complaint complaint = complaint_of(payload);
  bool input = array_of(payload, "detail") != nullptr;
  return input ? refused_input(complaint, nullptr) : model_failed(complaint, nullptr);
}

}  // namespace fluxgate::providers::fal

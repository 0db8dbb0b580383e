#include "api/support.h"
#include "base/log.h"
#include "db/outcome_unknown.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kInputShown = 200;  // bytes of what was received that an answer repeats

// Inputs can be whole images; an answer repeats enough to recognise them.
json::value shortened(const json::value& value) {
  if (value.is_string()) {
    std::string_view text = value.as_string();
    if (text.size() <= kInputShown) return value;
    std::size_t end = kInputShown;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // whole characters
    return json::string(fmt::format("{}…", text.substr(0, end)));
  }
  if (!value.is_array() && !value.is_object()) return value;
  if (json::serialize(value).size() <= kInputShown) return value;
  return value.is_array() ? json::string("[…]") : json::string("{…}");
}

json::array field_list(const Error& error, Language language) {
  json::array list;
  for (const FieldError& field : error.fields()) {
    json::array loc;
    for (const auto& part : field.loc) std::visit([&loc](const auto& step) { loc.emplace_back(step); }, part);
    json::object item{{"type", field.type}, {"loc", std::move(loc)}, {"msg", field.message.in(language)}};
    if (!field.input.is_null()) item["input"] = shortened(field.input);
    if (!field.context.empty()) item["ctx"] = field.context;
    list.push_back(std::move(item));
  }
  return list;
}

void write_log(const http::Request* request, const Error& error, int status) {
  if (status < 500 && error.internal().empty()) return;
  const std::string_view id = request != nullptr ? request->id() : "-";
  const std::string_view method = request != nullptr ? request->method() : "-";
  const std::string_view path = request != nullptr ? request->path() : "-";
  if (status == 500)
    log::error("{} {} {}: {} ({})", id, method, path, error.code(), error.internal());
  else
    log::debug("{} {} {}: {} {} ({})", id, method, path, status, error.code(), error.internal());
}

}  // namespace

http::Response render_error(const http::Request* request, const Error& error) {
  const Language language = request != nullptr ? request->language() : Language::en;
  const int status = http_status(error.errc());
  write_log(request, error, status);
  json::object body;
  if (error.fields().empty())
    body["detail"] = error.message().in(language);
  else
    body["detail"] = field_list(error, language);
  body["code"] = error.code();
  for (const auto& [key, value] : error.context())
    if (!body.contains(key)) body[key] = value;
  if (status == 500 && request != nullptr) body["request_id"] = json::string(request->id());

  http::Response response = http::Response::json(body, status);
  response.headers.emplace_back("Content-Language", language == Language::zh ? "zh-CN" : "en");
  response.headers.emplace_back("Vary", "Accept-Language");
  response.headers.emplace_back("Cache-Control", "no-store");
  if (error.retry_after_s() > 0)
    response.headers.emplace_back("Retry-After", std::to_string(error.retry_after_s()));
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

http::Response private_json(const json::value& value, int status) {
  return http::Response::json(value, status).with("Cache-Control", "no-store");
}

awaitable<Result<http::Response>> or_unavailable(awaitable<Result<http::Response>> handler) {
  constexpr int kRetryAfter = 5;  // seconds
  try {
    auto answer = co_await std::move(handler);
    co_return answer;
  } catch (const db::OutcomeUnknown&) {
    co_return fail(Error(Errc::unavailable, "outcome_unknown",
                         {"The database was lost while it saved this, which may have been done or not. With an Idempotency-Key the "
                          "request can be repeated; else look before you repeat it.",
                          "保存本次请求时数据库中断，无法确定是否已生效。带有 Idempotency-Key 的请求可直接重试，否则请先查看结果再重试。"})
                       .retry_after(kRetryAfter));
  } catch (const db::Failure&) {  // logged, with the closure's place
    co_return fail(Error(Errc::unavailable, "database_unavailable",
                         {"The server cannot read or write its database now. Nothing was done; try again.",
                          "服务器暂时无法读写数据库，本次请求未生效，请重试。"})
                       .retry_after(kRetryAfter));
  }
}

}  // namespace fluxgate::api

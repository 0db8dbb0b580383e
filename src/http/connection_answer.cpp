#include "http/connection.h"

#include "base/log.h"
#include "http/head_writer.h"

namespace fluxgate::http {
namespace {

constexpr std::string_view kEveryMethod = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

}  // namespace

Response plain_problem(int status, std::string_view code, std::string_view detail) {
  return Response::json(boost::json::object{{"detail", detail}, {"code", code}}, status);
}

awaitable<Response> Connection::answer() {
  match_ = site_.router.match(method(), head_.raw_path());
  if (match_.handler == nullptr || path() == "*") co_return answer_unrouted();
  Response response = co_await call(*match_.handler);
  if (method() == "OPTIONS") add_preflight(response);
  co_return response;
}

// What CORS wants to know before another site's page may send; the methods stand in the answer's Allow.
void Connection::add_preflight(Response& response) const {
  if (header("access-control-request-method").empty() || !site_.cors.allows(header("origin"))) return;
  for (auto& line : site_.cors.preflight(header("access-control-request-headers"), find_header(response.headers, "allow")))
    response.headers.push_back(std::move(line));
}

// A known path with another method, and the server-wide "OPTIONS *".
Response Connection::answer_unrouted() {
  const std::string allow = match_.allowed.empty() ? std::string(kEveryMethod) : join(match_.allowed);
  if (method() != "OPTIONS") {
    Response refusal = render(Error(Errc::method_not_allowed, "method_not_allowed",
                                    {"This path has no such method.", "该路径不支持此方法。"}));
    return std::move(refusal).with("Allow", allow);
  }
  Response response = Response::no_content().with("Allow", allow);
  add_preflight(response);
  return response;
}

awaitable<Response> Connection::call(const Handler& handler) {
  try {
    Result<Response> result = co_await handler(*this);
    if (result) co_return std::move(*result);
    const Error& error = result.error();
    if (http_status(error.errc()) >= 500)
      log::error("request {} {} {}: {} {}", id_, head_.method(), path(), error.code(), error.internal());
    else if (!error.internal().empty())
      log::info("request {} {} {}: {} {}", id_, head_.method(), path(), error.code(), error.internal());
    if (body_ == BodyState::stalled && error.code() == "body_timeout")
      co_return plain_problem(408, error.code(), error.message().in(language()));
    co_return render(error);
  } catch (const std::exception& e) {
    log::error("request {} {} {}: the handler threw: {}", id_, head_.method(), path(), e.what());
  } catch (...) {
    log::error("request {} {} {}: the handler threw something that is no exception", id_, head_.method(),
               path());
  }
  co_return render(Error());
}

Response Connection::render(const Error& error) {
  try {
    return site_.render(this, error);
  } catch (const std::exception& e) {
    log::error("request {}: the error renderer threw: {}", id_, e.what());
    return plain_problem(http_status(error.errc()), error.code(), error.message().en);
  }
}

}  // namespace fluxgate::http

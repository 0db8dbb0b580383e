#include "sandbox/replies.h"

#include <charconv>

#include "sandbox/service.h"

namespace fluxgate::sandbox {
namespace {

namespace json = boost::json;

constexpr double kHangSeconds = 300;
constexpr double kSlowSeconds = 5;
constexpr std::string_view kHtmlPage =
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

struct PlatformError {
  int status;
  std::string_view type, detail;
  std::string_view page_title;
};
constexpr PlatformError kPlatformErrors[] = {
    {500, "internal_error", "Internal error.", "500 Internal Server Error"},
    {502, "runner_incomplete_response", "The runner's answer was not complete.", "502 Bad Gateway"},
    {503, "runner_scheduling_failure", "No runner could be scheduled.",
     "503 Service Temporarily Unavailable"},
    {504, "startup_timeout", "The runner did not start in time.", "504 Gateway Time-out"},
};

const PlatformError& platform_error_of(int status) {
  for (const PlatformError& error : kPlatformErrors)
    if (error.status == status) return error;
  return kPlatformErrors[0];
}

int number_at_end(std::string_view action) {
  auto digits = action.substr(action.rfind('-') + 1);  // npos + 1 = 0: the whole
  int number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

http::Response throttled(std::optional<double> seconds) {
  http::Response response = detail_reply(429, "Too many requests. Slow down.");
  response.headers.emplace_back("X-Fal-Needs-Retry", "1");
  if (seconds) response.headers.emplace_back("Retry-After", fmt::format("{:.0f}", *seconds));
  return response;
}

http::Response html_page(int status, std::string_view title) {
  return http::Response::text(fmt::format(fmt::runtime(kHtmlPage), title), "text/html", status);
}

http::Response reset_connection() {
  http::Response response;
  response.abort_connection = true;
  return response;
}

// Half of the body, then the end of the connection without the last chunk.
http::Response cut_in_half(http::Response response) {
  std::string text;
  if (auto* own = std::get_if<std::string>(&response.body)) text = std::move(*own);
  if (auto* shared = std::get_if<std::shared_ptr<const std::string>>(&response.body)) text = **shared;
  text.resize(text.size() / 2);
  response.body = http::StreamBody([text](http::BodyWriter& writer) -> awaitable<void> {
    co_await writer.write(text);
    throw std::runtime_error("the sandbox cuts this body short on purpose");
  });
  return response;
}

double seconds_of(const Fault& fault, double usual) { return fault.seconds >= 0 ? fault.seconds : usual; }

}  // namespace

http::Response detail_reply(int status, std::string_view detail) {
  return http::Response::json(json::object{{"detail", detail}}, status);
}

http::Response not_found_reply() { return http::Response::json(json::object{{"status", "NOT_FOUND"}}, 404); }

http::Response balance_reply() {
  return detail_reply(
      403, "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing.");
}

http::Response platform_error(int status, std::string_view request_id) {
  const PlatformError& error = platform_error_of(status);
  auto response =
      http::Response::json(json::object{{"detail", error.detail}, {"error_type", error.type}}, status);
  response.headers.emplace_back("X-Fal-Error-Type", error.type);
  response.headers.emplace_back("X-Fal-Needs-Retry", "1");
  if (!request_id.empty()) response.headers.emplace_back("X-Fal-Request-Id", request_id);
  return response;
}

awaitable<std::optional<http::Response>> play_before(Service& service, Fault fault, std::string request_id) {
  service.counters.add(Count::faults);
  const std::string& action = fault.action;
  if (action == "401") co_return detail_reply(401, "No user found for Key ID and Secret");
  if (action == "403-balance") co_return balance_reply();
  if (action == "404") co_return detail_reply(404, "Request not found");
  if (action == "429") co_return throttled(seconds_of(fault, 1));
  if (action == "429-bare") co_return throttled(std::nullopt);
  if (action == "unknown-app") co_return detail_reply(404, "Application \"nope\" not found");
  if (action == "unknown-path") co_return detail_reply(404, "Path /nope not found");
  if (action == "500" || action == "502" || action == "503" || action == "504")
    co_return platform_error(number_at_end(action), request_id);
  if (action == "html-502" || action == "html-503" || action == "html-504") {
    int status = number_at_end(action);
    co_return html_page(status, platform_error_of(status).page_title);
  }
  if (action == "reset") co_return reset_connection();
  if (action == "hang" || action == "hang-refused") {
    co_await pause(service, static_cast<Millis>(1000 * seconds_of(fault, kHangSeconds)));
    co_return reset_connection();
  }
  co_return std::nullopt;
}

awaitable<http::Response> play_after(Service& service, Fault fault, http::Response response) {
  const std::string& action = fault.action;
  if (action == "slow") co_await pause(service, static_cast<Millis>(1000 * seconds_of(fault, kSlowSeconds)));
  if (action == "malformed") {
    response.status = 200;
    response.body = std::string("{\"status\": \"IN_QUEUE\", \"request_id\": \"");
  }
  if (action == "empty-body") {
    response.status = 200;
    response.body = std::string();
  }
  if (action == "html-200") co_return html_page(200, "Welcome");
  if (action == "truncated") co_return cut_in_half(std::move(response));
  if (action == "lost") co_return reset_connection();
  if (action == "hang-accepted") {
    co_await pause(service, static_cast<Millis>(1000 * seconds_of(fault, kHangSeconds)));
    co_return reset_connection();
  }
  co_return response;
}

}  // namespace fluxgate::sandbox

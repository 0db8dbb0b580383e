#include "sandbox/queue.h"

#include "sandbox/replies.h"

namespace fluxgate::sandbox {
namespace {

// §9.1 "Latency of calls".
constexpr Millis kSubmitTakes = 120, kCallTakes = 40;

bool is_on(const std::optional<std::string>& value) {
  if (!value) return false;
  return *value == "1" || *value == "true" || *value == "True" || *value == "TRUE";
}

std::string_view method_of(Operation operation) {
  switch (operation) {
    case Operation::submit: return "POST";
    case Operation::cancel: return "PUT";
    default: return "GET";
  }
}

http::Response wrong_method(std::string_view allow) {
  auto response = detail_reply(405, "Method Not Allowed");
  response.headers.emplace_back("Allow", allow);
  return response;
}

awaitable<Result<http::Response>> answer_follow_up(Service& service, http::Request& request, QueueCall call,
                                                   QueuePath path) {
  auto caller = identify(service, request);
  if (!caller) co_return std::move(caller.error());
  auto record = service.book.find(path.request_id);
  auto parts = record ? split_endpoint_id(record->endpoint) : std::nullopt;
  if (!parts || parts->app != path.endpoint) co_return not_found_reply();
  FLUX_CO_TRY(faults, header_faults(request));
  faults.insert(faults.end(), record->faults.begin(), record->faults.end());
  FollowUp follow{std::move(*record), service.base_for(request), std::move(faults), is_on(call.logs)};
  http::Response response;
  switch (path.operation) {
    case Operation::status: response = co_await answer_status(service, std::move(follow)); break;
    case Operation::stream: response = co_await answer_stream(service, std::move(follow)); break;
    case Operation::result: response = co_await answer_result(service, std::move(follow)); break;
    case Operation::cancel: response = co_await answer_cancel(service, std::move(follow)); break;
    default: response = not_found_reply();
  }
  co_return response;
}

}  // namespace

awaitable<Result<http::Response>> answer_queue(Service& service, http::Request& request, QueueCall call) {
  QueuePath path = read_queue_path(call.path);
  if (path.operation == Operation::unknown) co_return detail_reply(404, "Not Found");
  std::string_view expected = method_of(path.operation);
  // The upstream's routers know the full id for submits only, so its follow-ups miss by method (§1.3).
  if (path.full_id_form || call.method != expected)
    co_return wrong_method(path.full_id_form ? "POST" : expected);
  const bool submits = path.operation == Operation::submit;
  if (service.options.slow_calls) co_await pause(service, submits ? kSubmitTakes : kCallTakes);
  if (submits) {
    std::string endpoint = path.endpoint;
    auto response = co_await answer_submit(service, request, std::move(call), std::move(endpoint));
    co_return response;
  }
  auto response = co_await answer_follow_up(service, request, std::move(call), std::move(path));
  co_return response;
}

}  // namespace fluxgate::sandbox

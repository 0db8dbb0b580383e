#include "sandbox/routes.h"

#include <boost/url.hpp>

#include "sandbox/queue.h"
#include "sandbox/replies.h"
#include "sandbox/webhooks.h"

namespace fluxgate::sandbox {
namespace {

using Reply = awaitable<Result<http::Response>>;

constexpr std::string_view kSynchronousHost = "fal.run";
constexpr std::string_view kQueueHost = "queue.fal.run";
constexpr std::string_view kRestHost = "rest.fal.ai";
constexpr std::string_view kModelStream = "/stream";

QueueCall direct_call(const http::Request& request, std::string path) {
  QueueCall call{std::string(request.method()), std::move(path)};
  call.logs = request.query("logs");
  call.webhook = request.query("fal_webhook");
  call.max_queue_length = request.query("fal_max_queue_length");
  return call;
}

// POST {id}/stream on the synchronous host: events, the last of which is the result.
Reply answer_model_stream(Service& service, http::Request& request, QueueCall call) {
  auto response = co_await answer_queue(service, request, std::move(call));
  auto* text = response && response->status == 200 ? std::get_if<std::string>(&response->body) : nullptr;
  if (!text) co_return response;
  auto events = http::Response::text("data: " + *text + "\n\n", "text/event-stream; charset=utf-8");
  for (auto& [name, value] : response->headers)
    if (name.starts_with("X-Fal-")) events.headers.emplace_back(name, value);
  co_return events;
}

Reply answer_run(Service& service, http::Request& request, QueueCall call) {
  call.synchronous = true;
  Result<http::Response> response;
  if (call.path.ends_with(kModelStream) && !find_endpoint(call.path)) {
    call.path.resize(call.path.size() - kModelStream.size());
    response = co_await answer_model_stream(service, request, std::move(call));
  } else {
    response = co_await answer_queue(service, request, std::move(call));
  }
  co_return response;
}

// The clients' proxy protocol (§1.12): the real address stands in a header, everything else is as if it
// had arrived there. Nothing is fetched, so this is no open proxy.
Reply answer_proxy(Service& service, http::Request& request) {
  auto target = boost::urls::parse_uri(request.header("x-fal-target-url"));
  if (!target) co_return detail_reply(400, "Invalid request");
  const std::string host(target->host());
  std::string path(target->path());
  Result<http::Response> response = detail_reply(400, "Invalid request");
  if (host == kRestHost && path.starts_with("/storage/upload/initiate")) {
    response = co_await initiate_upload(service, request);
    co_return response;
  }
  QueueCall call{std::string(request.method()), path.substr(std::min<std::size_t>(1, path.size()))};
  for (auto parameter : target->params()) {
    if (parameter.key == "logs") call.logs = parameter.value;
    if (parameter.key == "fal_webhook") call.webhook = parameter.value;
    if (parameter.key == "fal_max_queue_length") call.max_queue_length = parameter.value;
  }
  if (host == kSynchronousHost)
    response = co_await answer_run(service, request, std::move(call));
  else if (host == kQueueHost)
    response = co_await answer_queue(service, request, std::move(call));
  co_return response;
}

Reply answer_any(Service& service, http::Request& request) {
  QueueCall call = direct_call(request, std::string(request.param("path")));
  const bool synchronous = request.header("host") == kSynchronousHost;
  Result<http::Response> response;
  if (synchronous)
    response = co_await answer_run(service, request, std::move(call));
  else
    response = co_await answer_queue(service, request, std::move(call));
  co_return response;
}

}  // namespace

void add_queue_routes(Service& service, http::Router& router) {
  router.get("/.well-known/jwks.json", [&service](http::Request&) -> Reply {
    co_return http::Response::json(service.webhooks->key_set()).with("Cache-Control", "max-age=86400");
  });
  router.post("/run/{path:rest}", [&service](http::Request& request) -> Reply {
    return answer_run(service, request, direct_call(request, std::string(request.param("path"))));
  });
  for (std::string_view method : {"GET", "POST", "PUT"}) {
    router.add(method, "/api/fal/proxy",
               [&service](http::Request& request) { return answer_proxy(service, request); });
    router.add(method, "/{path:rest}",
               [&service](http::Request& request) { return answer_any(service, request); });
  }
}

}  // namespace fluxgate::sandbox

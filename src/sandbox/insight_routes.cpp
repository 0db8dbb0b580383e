// What the sandbox tells about itself, for people and tests. Not part of the upstream's protocol.
#include "sandbox/replies.h"
#include "sandbox/routes.h"

namespace fluxgate::sandbox {
namespace {

namespace json = boost::json;
using Reply = awaitable<Result<http::Response>>;

constexpr std::string_view kWelcome =
    "This is the Fluxgate sandbox: it answers like the fal queue and paints pictures marked SANDBOX.\n"
    "  POST /fal-ai/flux-1/dev        submit, as on queue.fal.run\n"
    "  POST /run/fal-ai/flux-1/dev    run at once, as on fal.run\n"
    "  GET  /_sandbox/stats           what was asked so far\n"
    "  GET  /_sandbox/faults          what can be made to go wrong\n"
    "  GET  /_sandbox/endpoints       the models it plays\n"
    "  GET  /_sandbox/requests/<id>   a request as it was recorded\n";

json::object stats(Service& service) {
  RequestCounts counts = service.counters.snapshot();
  return {{"posts", counts.posts},
          {"accepted", counts.accepted},
          {"status", counts.status},
          {"results", counts.results},
          {"cancels", counts.cancels},
          {"streams", counts.streams},
          {"media", counts.media},
          {"uploads", counts.uploads},
          {"webhooks_sent", counts.webhooks_sent},
          {"webhooks_delivered", counts.webhooks_delivered},
          {"faults", counts.faults},
          {"records", service.book.size()},
          {"waiting", service.book.waiting()}};
}

json::array faults() {
  json::array list;
  for (const FaultKind& kind : fault_kinds())
    list.push_back(
        {{"stages", kind.stages == "*" ? "submit status result cancel stream media upload" : kind.stages},
         {"action", kind.action},
         {"effect", kind.effect}});
  return list;
}

json::array endpoints() {
  json::array list;
  for (const Endpoint& endpoint : all_endpoints()) list.emplace_back(endpoint.id);
  return list;
}

json::object shown(const Record& record) {
  json::array written;
  for (const Fault& fault : record.faults) written.emplace_back(fault.text());
  return {{"id", record.id},
          {"endpoint", record.endpoint},
          {"account", record.account},
          {"accepted_ms", record.accepted_ms},
          {"start_ms", record.start_ms},
          {"end_ms", record.end_ms},
          {"cancelled_ms", record.cancelled_ms},
          {"seed", record.seed},
          {"input", record.input},
          {"webhook", record.webhook},
          {"faults", written}};
}

}  // namespace

void add_insight_routes(Service& service, http::Router& router) {
  router.get("/", [](http::Request&) -> Reply { co_return http::Response::text(std::string(kWelcome)); });
  router.get("/health",
             [](http::Request&) -> Reply { co_return http::Response::json(json::object{{"status", "ok"}}); });
  router.get("/_sandbox/stats",
             [&service](http::Request&) -> Reply { co_return http::Response::json(stats(service)); });
  router.get("/_sandbox/faults", [](http::Request&) -> Reply { co_return http::Response::json(faults()); });
  router.get("/_sandbox/endpoints",
             [](http::Request&) -> Reply { co_return http::Response::json(endpoints()); });
  router.get("/_sandbox/requests/{id}", [&service](http::Request& request) -> Reply {
    auto record = service.book.find(request.param("id"));
    if (!record) co_return not_found_reply();
    co_return http::Response::json(shown(*record));
  });
}

}  // namespace fluxgate::sandbox

#include "api/alert_routes.h"

#include "notify/alerts.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;

json::object alert_json(const notify::Alert& alert, Language language) {
  return {{"id", alert.id},
          {"kind", alert.kind},
          {"subject", alert.subject},
          {"message", alert.message.in(language)},
          {"count", alert.count},
          {"raised_at", iso8601(alert.raised_at)},
          {"last_at", iso8601(alert.last_at)},
          {"resolved_at", alert.resolved_at ? json::value(iso8601(*alert.resolved_at)) : json::value(nullptr)}};
}

Answer list(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_TRY(limit, query_integer(request, "limit", 50, 1, 100));
  const auto all = request.query("all");
  if (all && *all != "true" && *all != "false" && !all->empty())
    co_return refuse_field("query", "all", "bool_parsing", {"Expected true or false.", "应为 true 或 false。"},
                           json::string(all->substr(0, 64)));
  const bool open_only = !all || *all != "true";
  const auto alerts = co_await api.parts.database.read([open_only, limit](db::Tx& tx) {
    return notify::alerts(tx, open_only, static_cast<int>(limit));
  });
  json::array data;
  for (const notify::Alert& alert : alerts) data.push_back(alert_json(alert, request.language()));
  co_return private_json({{"data", std::move(data)}});
}

Answer resolve(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  const std::string id(request.param("id"));
  const auto alert = co_await api.parts.database.write([id, now = api.parts.clock.now_ms()](db::Tx& tx) {
    notify::resolve_by_id(tx, id, now);
    return notify::find_alert(tx, id);
  });
  if (!alert) co_return fail(Errc::not_found, "alert_not_found", {"There is no such alert.", "没有此告警。"});
  co_return private_json(alert_json(*alert, request.language()));
}

}  // namespace

void add_alert_routes(http::Router& router, const ApiPtr& api) {
  router.get("/api/v1/admin/alerts", bind(api, list));
  router.post("/api/v1/admin/alerts/{id}/resolve", bind(api, resolve));
}

}  // namespace fluxgate::api

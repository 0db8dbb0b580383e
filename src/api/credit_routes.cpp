#include "api/credit_routes.h"

#include "credits/statement.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;

constexpr std::int64_t kPageSize = 30;
constexpr std::int64_t kWithoutPage = 10;
constexpr std::int64_t kPageMax = 334;  // ten thousand rows

Text description(const credits::Entry& entry) {
  if (entry.kind == "open") return {"Opening balance", "初始积分"};
  if (entry.kind == "grant") return {"Granted by an administrator", "管理员发放"};
  if (entry.kind == "hold") return {"Set aside for a task", "任务预留"};
  if (entry.kind == "capture") return {"Charged for a task", "任务扣费"};
  if (entry.kind == "release") return {"Given back by a task", "任务退还"};
  if (entry.kind == "redeem") return {"Code redeemed", "兑换码充值"};
  return {"Adjusted by an administrator", "管理员调整"};
}

json::value text_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  return json::value(text);
}

json::object entry_json(const credits::StatementLine& line, const identity::Principal& principal,
                        Language language) {
  const credits::Entry& entry = line.entry;
  const Credits available = entry.balance_after - entry.held_after;
  const double price = entry.kind == "capture" ? (-entry.amount).as_number() : 0.0;
  json::object detail{
      {"desc", description(entry).in(language)},
      {"api_params", json::object{{"model", json::object{{"id", line.model}, {"name", line.model}}}}},
      {"usage", json::object{{"total_price", price}, {"service", line.provider}}}};
  return {{"id", entry.id},
          {"user_id", principal.user_id},
          {"username", principal.name},
          {"credit", available.to_string()},
          {"detail", std::move(detail)},
          {"created_at", entry.created_at / 1000},
          {"kind", entry.kind},
          {"amount", entry.amount.as_number()},
          {"balance_after", entry.balance_after.as_number()},
          {"held_after", entry.held_after.as_number()},
          {"task_id", text_or_null(entry.task_id)}};
}

Answer logs(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_TRY(page, query_integer(request, "page", 0, 1, kPageMax));
  const std::int64_t limit = page == 0 ? kWithoutPage : kPageSize;
  const std::int64_t offset = page == 0 ? 0 : (page - 1) * kPageSize;
  const auto lines = co_await api.parts.database.read([id = principal.user_id, limit, offset](db::Tx& tx) {
    return credits::statement(tx, id, limit, offset);
  });
  json::array list;
  for (const auto& line : lines) list.push_back(entry_json(line, principal, request.language()));
  co_return private_json(list);
}

// There is no shop: credits come from administrators.
Answer config(const Api&, http::Request&) {
  co_return private_json({{"CREDIT_EXCHANGE_RATIO", 1}, {"EZFP_PAY_PRIORITY", "qrcode"}});
}

}  // namespace

void add_credit_routes(http::Router& router, const ApiPtr& api) {
  router.get("/api/v1/credit/logs", bind(api, logs));
  router.get("/api/v1/credit/config", bind(api, config));
}

}  // namespace fluxgate::api

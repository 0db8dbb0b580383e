#include "api/file_admin_routes.h"

#include "files/rules.h"
#include "files/storage_stats.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using files::Rules;
using identity::Role;

constexpr std::int64_t kRevMax = 1ll << 53;
constexpr std::int64_t kBytesMax = 1ll << 53;
constexpr std::int64_t kDaysMax = 36'500;
constexpr std::size_t kUsersMax = 10'000;
constexpr std::int64_t kOffsetMax = 10'000;

void append(std::vector<FieldError>& errors, Result<void> checked) {
  if (checked) return;
  const auto& fields = checked.error().fields();
  errors.insert(errors.end(), fields.begin(), fields.end());
}

void read_users(Members& form, Rules& rules) {
  const auto* users = form.maybe_object("users");
  if (users == nullptr) return;
  if (users->size() > kUsersMax)
    form.refuse("users", "too_long", {"Too many entries.", "条目过多。"}, {{"max_length", kUsersMax}});
  for (const auto& [id, limit] : *users) {
    if (limit.is_int64() && limit.as_int64() >= 0 && limit.as_int64() <= kBytesMax)
      rules.users[std::string(id)] = static_cast<std::uint64_t>(limit.as_int64());
    else
      form.refuse("users", "int_type", {"Expected a number of bytes for each user; 0 = no limit.", "每个用户应为字节数；0 表示不限。"},
                  {{"user", id}});
  }
}

Result<Rules> read_rules(const json::object& body) {
  Members form(body);
  std::vector<FieldError> errors;
  Rules rules;
  rules.user_bytes = static_cast<std::uint64_t>(form.maybe_integer("user_bytes", 0, kBytesMax).value_or(0));
  rules.total_bytes = static_cast<std::uint64_t>(form.maybe_integer("total_bytes", 0, kBytesMax).value_or(0));
  read_users(form, rules);
  if (const auto* kept = form.maybe_object("retention_days")) {
    Members days(*kept, {"body", "retention_days"});
    const auto read = [&](std::string_view name) { return static_cast<int>(days.maybe_integer(name, 0, kDaysMax).value_or(0)); };
    rules.retention = {read("result_images"), read("result_videos"), read("uploads"), read("unused_uploads")};
    append(errors, days.check());
  }
  rules.grace_ms = form.maybe_integer("grace_s", files::kGraceMin / 1000, 30 * 86'400).value_or(rules.grace_ms / 1000) * 1000;
  rules.rev = form.integer("rev", 0, kRevMax);
  append(errors, form.check());
  if (!errors.empty()) return fail(Error::invalid(std::move(errors)));
  return rules;
}

Answer show_rules(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  const auto rules = co_await api.parts.database.read([](db::Tx& tx) { return files::load_rules(tx); });
  co_return private_json(files::to_json(rules));
}

Answer save_rules(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  FLUX_CO_TRY(rules, read_rules(body));
  const bool saved = co_await api.parts.database.write(
      [rules, now = api.parts.clock.now_ms()](db::Tx& tx) { return files::save_rules(tx, rules, now); });
  if (!saved)
    co_return fail(Errc::conflict, "changed_meanwhile",
                   {"Somebody saved these settings meanwhile; read them again.", "设置已被他人修改,请重新读取。"});
  ++rules.rev;
  co_return private_json(files::to_json(rules));
}

Answer list_usage(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_TRY(limit, query_integer(request, "limit", 20, 1, 100));
  FLUX_CO_TRY(offset, query_integer(request, "offset", 0, 0, kOffsetMax));
  const auto list = co_await api.parts.database.read([limit, offset](db::Tx& tx) { return files::usage_list(tx, static_cast<int>(limit), offset); });
  co_return private_json(list);
}

}  // namespace

void add_file_admin_routes(http::Router& router, const ApiPtr& api) {
  router.get("/api/v1/admin/files", bind(api, show_rules));
  router.put("/api/v1/admin/files", bind(api, save_rules));
  router.get("/api/v1/admin/files/usage", bind(api, list_usage));
}

}  // namespace fluxgate::api

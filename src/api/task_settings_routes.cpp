#include "api/task_settings_routes.h"

#include "tasks/result_cache.h"
#include "tasks/retention.h"
#include "tasks/scheduling.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;
using tasks::CacheRules;
using tasks::Scheduling;
using tasks::Share;

constexpr std::int64_t kRevMax = 1ll << 53;
constexpr std::int64_t kTasksMax = 1'000'000;
constexpr std::size_t kEntriesMax = 10'000;

Error changed_meanwhile() {
  return Error(Errc::conflict, "changed_meanwhile",
               {"Somebody saved these settings meanwhile; read them again.", "设置已被他人修改,请重新读取。"});
}

void append(std::vector<FieldError>& errors, Result<void> checked) {
  if (checked) return;
  const auto& fields = checked.error().fields();
  errors.insert(errors.end(), fields.begin(), fields.end());
}

Share read_share(const json::object& object, std::vector<std::string> loc, std::vector<FieldError>& errors) {
  Members form(object, std::move(loc));
  Share share;
  if (const auto* list = form.maybe_array("priorities", std::size(tasks::kPriorities))) {
    share.priorities.clear();
    for (const auto& item : *list)
      if (const auto priority = item.is_string() ? tasks::priority_named(item.as_string()) : std::nullopt)
        share.priorities.push_back(*priority);
    if (share.priorities.size() != list->size() || list->empty())
      form.refuse("priorities", "enum", {"Expected a list of low, normal and high.", "应为 low、normal、high 的列表。"});
  }
  share.weight = static_cast<int>(form.maybe_integer("weight", 1, 100).value_or(share.weight));
  share.at_once = static_cast<int>(form.maybe_integer("at_once", 0, kTasksMax).value_or(share.at_once));
  share.pending = static_cast<int>(form.maybe_integer("pending", 0, kTasksMax).value_or(share.pending));
  append(errors, form.check());
  return share;
}

template <class F>
void each_entry(Members& form, std::string_view name, std::vector<FieldError>& errors, F&& read) {
  const auto* object = form.maybe_object(name);
  if (object == nullptr) return;
  if (object->size() > kEntriesMax)
    form.refuse(name, "too_long", {"Too many entries.", "条目过多。"}, {{"max_length", kEntriesMax}});
  for (const auto& [key, value] : *object) {
    if (value.is_object()) {
      read(std::string(key), value.as_object());
      continue;
    }
    FieldError error;
    error.loc = {std::string("body"), std::string(name), std::string(key)};
    error.type = "dict_type";
    error.message = {"Expected an object.", "应为对象。"};
    error.input = value;
    errors.push_back(std::move(error));
  }
}

Result<Scheduling> read_scheduling(const json::object& body, const catalogue::Catalogue& catalogue) {
  Members form(body);
  std::vector<FieldError> errors;
  Scheduling scheduling;
  each_entry(form, "roles", errors, [&](const std::string& role, const json::object& share) {
    scheduling.roles[role] = read_share(share, {"body", "roles", role}, errors);
    if (role != "user" && role != "admin")
      form.refuse("roles", "enum", {"Expected the roles user and admin.", "角色应为 user 或 admin。"}, {{"received", role}});
  });
  each_entry(form, "users", errors, [&](const std::string& user, const json::object& share) {
    scheduling.users[user] = read_share(share, {"body", "users", user}, errors);
  });
  each_entry(form, "models", errors, [&](const std::string& model, const json::object& limit) {
    Members entry(limit, {"body", "models", model});
    scheduling.models[model] = static_cast<int>(entry.integer("at_once", 1, kTasksMax));
    append(errors, entry.check());
    if (catalogue.find(model) == nullptr)
      form.refuse("models", "model_unknown", {"There is no such model.", "没有此模型。"}, {{"received", model}});
  });
  scheduling.aging_ms = form.maybe_integer("aging_s", 1, 86'400).value_or(scheduling.aging_ms / 1000) * 1000;
  scheduling.aged_share = static_cast<int>(form.maybe_integer("aged_share", 2, 100).value_or(scheduling.aged_share));
  scheduling.rev = form.integer("rev", 0, kRevMax);
  append(errors, form.check());
  if (!errors.empty()) return fail(Error::invalid(std::move(errors)));
  return scheduling;
}

Result<CacheRules> read_cache_rules(const json::object& body) {
  Members form(body);
  CacheRules rules;
  if (const auto mode = form.maybe_text("mode")) {
    if (const auto named = tasks::cache_mode_named(*mode)) rules.mode = *named;
    else form.refuse("mode", "enum", {"Expected off, request or always.", "应为 off、request 或 always。"});
  }
  rules.price_percent = static_cast<int>(form.maybe_integer("price_percent", 0, 100).value_or(rules.price_percent));
  rules.across_users = form.maybe_flag("across_users").value_or(rules.across_users);
  rules.max_age_days = static_cast<int>(form.maybe_integer("max_age_days", 0, 36'500).value_or(rules.max_age_days));
  rules.rev = form.integer("rev", 0, kRevMax);
  FLUX_CHECK(form.check());
  return rules;
}

Result<tasks::Retention> read_retention(const json::object& body) {
  Members form(body);
  tasks::Retention rules;
  rules.days = static_cast<int>(form.maybe_integer("days", 0, tasks::kRetentionDaysMax).value_or(rules.days));
  rules.tasks = form.maybe_integer("tasks", 0, tasks::kRetentionTasksMax).value_or(rules.tasks);
  if (rules.tasks != 0 && rules.tasks < tasks::kRetentionTasksMin)
    form.refuse("tasks", "greater_than_equal",
                {fmt::format("Expected 0 (all of them) or at least {}.", tasks::kRetentionTasksMin),
                 fmt::format("应为 0（全部保留）或不小于 {}。", tasks::kRetentionTasksMin)},
                {{"ge", tasks::kRetentionTasksMin}, {"received", rules.tasks}});
  rules.archive = form.maybe_flag("archive").value_or(rules.archive);
  rules.rev = form.integer("rev", 0, kRevMax);
  FLUX_CHECK(form.check());
  return rules;
}

Answer show_scheduling(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  const auto rules = co_await api.parts.database.read([](db::Tx& tx) { return tasks::load_scheduling(tx); });
  co_return private_json(to_json(rules));
}

Answer save_scheduling(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  FLUX_CO_TRY(rules, read_scheduling(body, *api.parts.catalogue.get()));
  const bool saved = co_await api.parts.database.write(
      [rules, now = api.parts.clock.now_ms()](db::Tx& tx) { return tasks::save_scheduling(tx, rules, now); });
  if (!saved) co_return fail(changed_meanwhile());
  api.parts.engine.wake();
  ++rules.rev;
  co_return private_json(to_json(rules));
}

Answer show_cache(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  const auto rules = co_await api.parts.database.read([](db::Tx& tx) { return tasks::load_cache_rules(tx); });
  co_return private_json(to_json(rules));
}

Answer save_cache(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  FLUX_CO_TRY(rules, read_cache_rules(body));
  const bool saved = co_await api.parts.database.write(
      [rules, now = api.parts.clock.now_ms()](db::Tx& tx) { return tasks::save_cache_rules(tx, rules, now); });
  if (!saved) co_return fail(changed_meanwhile());
  ++rules.rev;
  co_return private_json(to_json(rules));
}

Answer show_retention(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  const auto rules = co_await api.parts.database.read([](db::Tx& tx) { return tasks::load_retention(tx); });
  co_return private_json(to_json(rules));
}

Answer save_retention(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  FLUX_CO_TRY(rules, read_retention(body));
  const bool saved = co_await api.parts.database.write(
      [rules, now = api.parts.clock.now_ms()](db::Tx& tx) { return tasks::save_retention(tx, rules, now); });
  if (!saved) co_return fail(changed_meanwhile());
  ++rules.rev;
  co_return private_json(to_json(rules));
}

}  // namespace

void add_task_settings_routes(http::Router& router, const ApiPtr& api) {
  router.get("/api/v1/admin/scheduling", bind(api, show_scheduling));
  router.put("/api/v1/admin/scheduling", bind(api, save_scheduling));
  router.get("/api/v1/admin/result-cache", bind(api, show_cache));
  router.put("/api/v1/admin/result-cache", bind(api, save_cache));
  router.get("/api/v1/admin/retention", bind(api, show_retention));
  router.put("/api/v1/admin/retention", bind(api, save_retention));
}

}  // namespace fluxgate::api

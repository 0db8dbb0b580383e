#include "tasks/scheduling.h"

#include <algorithm>

#include "db/settings.h"

namespace fluxgate::tasks {
namespace {

namespace json = boost::json;


json::object share_json(const Share& share) {
  json::array priorities;
  for (Priority priority : share.priorities) priorities.emplace_back(name(priority));
  return {{"priorities", std::move(priorities)},
          {"weight", share.weight},
          {"at_once", share.at_once},
          {"pending", share.pending}};
}

Share share_from(const json::object& stored, Share share) {
  if (const auto* list = stored.if_contains("priorities"); list && list->is_array()) {
    share.priorities.clear();
    for (const auto& item : list->as_array())
      if (auto priority = item.is_string() ? priority_named(item.as_string()) : std::nullopt)
        share.priorities.push_back(*priority);
  }
  share.weight = static_cast<int>(db::setting::number(stored, "weight", share.weight));
  share.at_once = static_cast<int>(db::setting::number(stored, "at_once", share.at_once));
  share.pending = static_cast<int>(db::setting::number(stored, "pending", share.pending));
  return share;
}

template <class F>
void each_member(const json::object& stored, std::string_view name, F&& visit) {
  if (const auto* members = stored.if_contains(name); members && members->is_object())
    for (const auto& [key, value] : members->as_object()) visit(std::string(key), value);
}

}  // namespace

std::string_view name(Priority priority) {
  switch (priority) {
    case Priority::low: return "low";
    case Priority::normal: return "normal";
    case Priority::high: return "high";
  }
  return "normal";
}

std::optional<Priority> priority_named(std::string_view text) {
  for (Priority priority : kPriorities)
    if (name(priority) == text) return priority;
  return std::nullopt;
}

const Share& Scheduling::share_of(std::string_view user_id, std::string_view role) const {
  static const Share plain;
  if (auto own = users.find(std::string(user_id)); own != users.end()) return own->second;
  auto share = roles.find(std::string(role));
  return share == roles.end() ? plain : share->second;
}

bool Scheduling::limits_users() const {
  const auto limited = [](const auto& named) { return named.second.at_once > 0; };
  return std::ranges::any_of(roles, limited) || std::ranges::any_of(users, limited);
}

json::object to_json(const Scheduling& scheduling) {
  json::object roles, users, models;
  for (const auto& [role, share] : scheduling.roles) roles[role] = share_json(share);
  for (const auto& [user, share] : scheduling.users) users[user] = share_json(share);
  for (const auto& [model, at_once] : scheduling.models) models[model] = {{"at_once", at_once}};
  return {{"roles", std::move(roles)},
          {"users", std::move(users)},
          {"models", std::move(models)},
          {"aging_s", scheduling.aging_ms / 1000},
          {"aged_share", scheduling.aged_share},
          {"rev", scheduling.rev}};
}

Scheduling scheduling_from(const json::object& stored) {
  Scheduling scheduling;
  each_member(stored, "roles", [&](std::string role, const json::value& value) {
    if (value.is_object()) scheduling.roles[role] = share_from(value.as_object(), scheduling.roles[role]);
  });
  each_member(stored, "users", [&](std::string user, const json::value& value) {
    if (value.is_object()) scheduling.users[user] = share_from(value.as_object(), {});
  });
  each_member(stored, "models", [&](std::string model, const json::value& value) {
    if (value.is_object())
      scheduling.models[model] = static_cast<int>(db::setting::number(value.as_object(), "at_once", 0));
  });
  std::erase_if(scheduling.models, [](const auto& limit) { return limit.second <= 0; });
  scheduling.aging_ms = db::setting::number(stored, "aging_s", scheduling.aging_ms / 1000) * 1000;
  scheduling.aged_share = std::max(2, static_cast<int>(db::setting::number(stored, "aged_share", scheduling.aged_share)));
  scheduling.rev = db::setting::number(stored, "rev", 0);
  return scheduling;
}

Scheduling load_scheduling(db::Tx& tx) { return scheduling_from(db::setting::load(tx, kSchedulingKey)); }

bool save_scheduling(db::Tx& tx, const Scheduling& scheduling, Millis now) {
  return db::setting::save(tx, kSchedulingKey, to_json(scheduling), scheduling.rev, now);
}

}  // namespace fluxgate::tasks

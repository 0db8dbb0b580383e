// Who goes first: the rules as an administrator sets them, kept in fg_setting and read by every claim, so a
// change holds on every node at once.
//
// Three priorities; within one, users take turns, each turn as many tasks as the user's weight. The higher
// priority goes first, except that every `aged_share`-th claim serves a lower one in which somebody has
// waited longer than `aging_ms`: nothing starves, and the high priority keeps the larger part whatever piles
// up below it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/clock.h"
#include "db/database.h"
#include "tasks/task.h"

namespace fluxgate::tasks {

inline constexpr Priority kPriorities[] = {Priority::high, Priority::normal, Priority::low};  // in serving order

std::string_view name(Priority priority);
std::optional<Priority> priority_named(std::string_view text);

// What a role, or one user by exception, may do. Limits of 0 are none.
struct Share {
  std::vector<Priority> priorities = {Priority::low, Priority::normal};  // that may be asked for
  int weight = 1;    // tasks per turn, 1–100
  int at_once = 0;   // tasks at work, per provider
  int pending = 0;   // tasks accepted and not ended, per provider; a submit beyond it is refused
  bool operator==(const Share&) const = default;
};

struct Scheduling {
  std::map<std::string, Share> roles = {{"user", {}},
                                        {"admin", {.priorities = {Priority::low, Priority::normal, Priority::high}}}};
  std::map<std::string, Share> users;          // by id; instead of their role's
  std::map<std::string, int> models;           // tasks of a model at work; absent = no limit
  Millis aging_ms = 120'000;
  int aged_share = 4;                          // every n-th claim; at least 2
  std::int64_t rev = 0;                        // 0 = never saved

  const Share& share_of(std::string_view user_id, std::string_view role) const;
  // Whether anybody has a limit of tasks at work.
  bool limits_users() const;
};

inline constexpr std::string_view kSchedulingKey = "scheduling";  // of the setting
boost::json::object to_json(const Scheduling& scheduling);

// Reads what to_json wrote; what is absent or of another shape has its default.
Scheduling scheduling_from(const boost::json::object& stored);

Scheduling load_scheduling(db::Tx& tx);
// `scheduling.rev` is the one that was read; false when somebody saved meanwhile, and nothing has changed.
bool save_scheduling(db::Tx& tx, const Scheduling& scheduling, Millis now);

}  // namespace fluxgate::tasks

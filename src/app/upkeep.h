// The node's small regular duties: forgetting what has served its time, rolling up usage, letting old tasks go. In
// parts, so that nobody waits for the tidying.
#pragma once

#include <filesystem>
#include <string>

#include "base/clock.h"
#include "base/coro.h"
#include "db/database.h"
#include "files/uploads.h"
#include "files/work_pool.h"
#include "identity/identity.h"

namespace fluxgate::app {

inline constexpr Millis kIdempotencyKept = 24ll * 3600 * 1000;
inline constexpr Millis kEventsKept = 7ll * 24 * 3600 * 1000;

void forget_what_is_old(db::Tx& tx, Millis now);

// Files that are past their age by the rules, and those of accounts that were closed, some of each; how many.
awaitable<int> delete_outdated(db::Database& database, Millis now);

struct UpkeepParts {
  db::Database& database;
  identity::Identity& identity;
  const Clock& clock;
  std::string node_id;
  std::filesystem::path archive;  // folder of the tasks that left
};

// One part of letting tasks go by the rules of retention: archived first where the rules say so; what could not be
// archived stays. `user` is where the rule of numbers goes on, "" = from the beginning. False when nothing is left to
// look at now, or it is another node's turn.
awaitable<bool> retire_some(const UpkeepParts& parts, files::WorkPool& pool, std::string& user);

// Runs until `group` stops; `due` cuts its waits short then.
awaitable<void> keep_up(CoroGroup& group, Wakeup& due, files::Uploads& uploads, UpkeepParts parts);

}  // namespace fluxgate::app

#include "app/upkeep.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "app/clocks.h"
#include "base/log.h"
#include "files/retention.h"
#include "files/rows.h"
#include "notify/events.h"
#include "stats/usage.h"
#include "tasks/archive.h"
#include "tasks/retention.h"

namespace fluxgate::app {
namespace {
constexpr std::chrono::milliseconds kEvery{30'000};
constexpr Millis kFilesEvery = 600'000;  // looks for files past their age
constexpr int kAtOnce = 1'000;       // rows per transaction
constexpr int kTasksAtOnce = 100;    // tasks per file of the archive; a transaction takes those of one user
constexpr int kPartsAtOnce = 50;     // so that the other duties get their turn
constexpr Millis kTurn = 120'000;
}  // namespace

void forget_what_is_old(db::Tx& tx, Millis now) {
  tx.exec(
      "DELETE FROM fg_idempotency WHERE (user_id, endpoint, key) IN "
      "(SELECT user_id, endpoint, key FROM fg_idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
      {now - kIdempotencyKept, kAtOnce});
  notify::prune(tx, now - kEventsKept, kAtOnce);
}

// One transaction for each, so that nobody waits for many.
awaitable<int> delete_outdated(db::Database& database, Millis now) {
  const auto ids = co_await database.read([now](db::Tx& tx) {
    auto due = files::outdated(tx, files::load_rules(tx).retention, now, kAtOnce);
    std::ranges::move(files::of_closed_accounts(tx, kAtOnce), std::back_inserter(due));
    return due;
  });
  for (const std::string& id : ids)
    co_await database.write([id, now](db::Tx& tx) { return files::remove_row(tx, id, "", now); });
  co_return static_cast<int>(ids.size());
}

awaitable<bool> retire_some(const UpkeepParts& parts, files::WorkPool& pool, std::string& user) {
  struct Part {
    std::vector<tasks::Leaving> leaving;
    std::string user;
    bool archive = false;
  };
  const Millis now = parts.clock.now_ms();
  const auto rules = co_await parts.database.read([](db::Tx& tx) { return tasks::load_retention(tx); });
  if (rules.keeps_all()) co_return false;
  const bool ours = co_await parts.database.write(
      [node = parts.node_id, now](db::Tx& tx) { return tasks::take_turn(tx, "retention", node, kTurn, now); });
  if (!ours) co_return false;
  auto part = co_await parts.database.read([rules, now, from = user](db::Tx& tx) {
    Part found{tasks::too_old(tx, rules, now, kTasksAtOnce), from, rules.archive};
    if (found.leaving.empty()) found.leaving = tasks::too_many(tx, rules, now, kTasksAtOnce, found.user);
    return found;
  });
  user = part.user;
  if (part.leaving.empty()) co_return !user.empty();
  std::map<std::string, std::vector<std::string>> ids;
  for (const auto& one : part.leaving) ids[one.task.user_id].push_back(one.task.id);
  if (part.archive) {
    auto written = co_await pool.run(files::WhenFull::wait, "", [folder = parts.archive, leaving = std::move(part.leaving), now]() -> Result<void> {
      FLUX_TRY(path, tasks::write_archive(folder, leaving, now));
      log::debug("retention: {} tasks are in {}", leaving.size(), path);
      return {};
    });
    if (!written) {
      log::error("retention: {}", written.error().message().en);
      co_return false;
    }
  }
  for (auto& [owner, list] : ids)
    co_await parts.database.write([owner, list, now](db::Tx& tx) { return tasks::remove(tx, owner, list, now); });
  co_return true;
}

awaitable<void> keep_up(CoroGroup& group, Wakeup& due, files::Uploads& uploads, UpkeepParts parts) {
  files::WorkPool pool(1, 1);
  std::string user;
  Millis files_due = 0;
  std::optional<bool> told_clock;
  while (!group.stopping()) {
    try {
      co_await compare_clocks(parts.database, parts.clock, told_clock);
    } catch (const std::exception& e) {
      log::error("upkeep: the clocks: {}", e.what());
    }
    co_await due.wait_for(kEvery);
    try {
      co_await parts.identity.flush_activity();
      const Millis now = parts.clock.now_ms();
      co_await parts.database.write([now](db::Tx& tx) { forget_what_is_old(tx, now); });
      co_await uploads.forget_expired();
      while (!group.stopping()) {
        const bool more = co_await parts.database.write([now](db::Tx& tx) { return stats::roll_up(tx, now); });
        if (!more) break;
      }
      for (int part = 0; part < kPartsAtOnce && !group.stopping(); ++part) {
        const bool more = co_await retire_some(parts, pool, user);
        if (!more) break;
      }
      if (now < files_due) continue;
      const int deleted = co_await delete_outdated(parts.database, now);
      if (deleted < kAtOnce) files_due = now + kFilesEvery;
    } catch (const std::exception& e) {
      log::error("upkeep: {}", e.what());
    }
  }
}

}  // namespace fluxgate::app

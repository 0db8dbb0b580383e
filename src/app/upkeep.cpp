#include "app/upkeep.h"

#include "base/log.h"
#include "files/retention.h"
#include "files/rows.h"
#include "notify/events.h"

namespace fluxgate::app {
namespace {
constexpr std::chrono::milliseconds kEvery{30'000};
constexpr Millis kFilesEvery = 600'000;  // looks for files past their age
constexpr int kAtOnce = 1'000;  // rows per transaction, so that nobody waits for the tidying
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
    return files::outdated(tx, files::load_rules(tx).retention, now, kAtOnce);
  });
  for (const std::string& id : ids)
    co_await database.write([id, now](db::Tx& tx) { return files::remove_row(tx, id, "", now); });
  co_return static_cast<int>(ids.size());
}

awaitable<void> keep_up(CoroGroup& group, Wakeup& due, db::Database& database, identity::Identity& identity,
                        files::Uploads& uploads, const Clock& clock) {
  Millis files_due = 0;
  while (!group.stopping()) {
    co_await due.wait_for(kEvery);
    try {
      co_await identity.flush_activity();
      Millis now = clock.now_ms();
      co_await database.write([now](db::Tx& tx) { forget_what_is_old(tx, now); });
      co_await uploads.forget_expired();
      if (now < files_due) continue;
      const int deleted = co_await delete_outdated(database, now);
      if (deleted < kAtOnce) files_due = now + kFilesEvery;
    } catch (const std::exception& e) {
      log::error("upkeep: {}", e.what());
    }
  }
}

}  // namespace fluxgate::app

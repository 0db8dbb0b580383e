#include "app/upkeep.h"

#include "base/log.h"
#include "notify/events.h"

namespace fluxgate::app {
namespace {
constexpr std::chrono::milliseconds kEvery{30'000};
constexpr int kAtOnce = 1'000;  // rows per transaction, so that nobody waits for the tidying
}  // namespace

void forget_what_is_old(db::Tx& tx, Millis now) {
  tx.exec(
      "DELETE FROM fg_idempotency WHERE (user_id, endpoint, key) IN "
      "(SELECT user_id, endpoint, key FROM fg_idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
      {now - kIdempotencyKept, kAtOnce});
  notify::prune(tx, now - kEventsKept, kAtOnce);
}

awaitable<void> keep_up(CoroGroup& group, Wakeup& due, db::Database& database, identity::Identity& identity,
                        files::Uploads& uploads, const Clock& clock) {
  while (!group.stopping()) {
    co_await due.wait_for(kEvery);
    try {
      co_await identity.flush_activity();
      Millis now = clock.now_ms();
      co_await database.write([now](db::Tx& tx) { forget_what_is_old(tx, now); });
      co_await uploads.forget_expired();
    } catch (const std::exception& e) {
      log::error("upkeep: {}", e.what());
    }
  }
}

}  // namespace fluxgate::app

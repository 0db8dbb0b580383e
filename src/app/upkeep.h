// The node's small regular duties: forgetting what has served its time.
#pragma once

#include "base/clock.h"
#include "base/coro.h"
#include "db/database.h"
#include "files/uploads.h"
#include "identity/identity.h"

namespace fluxgate::app {

inline constexpr Millis kIdempotencyKept = 24ll * 3600 * 1000;
inline constexpr Millis kEventsKept = 7ll * 24 * 3600 * 1000;

// A part of it, so that nobody waits for the tidying.
void forget_what_is_old(db::Tx& tx, Millis now);

// Runs until `group` stops; `due` cuts its waits short then.
awaitable<void> keep_up(CoroGroup& group, Wakeup& due, db::Database& database, identity::Identity& identity,
                        files::Uploads& uploads, const Clock& clock);

}  // namespace fluxgate::app

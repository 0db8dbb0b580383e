// For closures that decide by what many rows say together ("at most a hundred of them") or that write several
// settings as one: those that name the same thing run one after the other, also on PostgreSQL, on all nodes. For
// rare changes by people; what belongs to one row is locked by its row.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "db/database.h"

namespace fluxgate::db {

// Until the transaction ends. Before any other lock.
void take_turns(Tx& tx, std::string_view what);

// The time by the clock that all nodes share: the database's; `own` where there is one node.
Millis shared_now(Tx& tx, Millis own);

}  // namespace fluxgate::db

// Whether the clock of this machine is the database's, which all nodes go by where they share one.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/coro.h"
#include "db/database.h"

namespace fluxgate::app {

// By more than this they are told to differ. From 60 s on (identity/tokens.cpp) a node refuses the tokens of one that is
// ahead of it.
inline constexpr Millis kClockOff = 5'000;

// Compares the two. An alert about the machine, `clock_off`, and a line in the log when they begin to differ, and when it
// is over; `told` is what this life said last. Nothing on SQLite, whose clock is the machine's.
awaitable<void> compare_clocks(db::Database& database, const Clock& clock, std::optional<bool>& told);

}  // namespace fluxgate::app

// Usage by hour. Each ended task is counted in its own transaction, in a row of its user (fg_usage_hourly), so that
// nothing waits for a row that all users share. Sums over all users are made from those once an hour is over
// (fg_usage_total); the hours not rolled up yet are added when asked. Both stay when tasks are deleted.
//
// Hours are UTC, named by their first millisecond. A task counts in the hour in which it ended.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/money.h"
#include "db/database.h"

namespace fluxgate::stats {

inline constexpr Millis kHour = 3'600'000;
inline constexpr Millis kDay = 24 * kHour;

enum class Outcome { succeeded, failed, cancelled };

struct Ended {
  std::string_view user_id, provider, model;
  Outcome outcome = Outcome::failed;
  int images = 0;      // delivered
  Credits charged;
  Millis at = 0;
};
// After the user's account was locked (the order of locks, DESIGN §5.1).
void count(db::Tx& tx, const Ended& ended);

// How late a transaction may commit what ended in an hour and still be in the sums of all users.
inline constexpr Millis kSettles = 600'000;
// Rolls up hours that are over, at most a day of them; false when none is left. Repeatable; nodes may do it at once.
bool roll_up(db::Tx& tx, Millis now);

// Counts what ended before anything was counted: tasks of a database that was taken over, or that an earlier version
// wrote. Hours and users that have been counted stay as they are; the sums of all users are rolled up anew.
void take_stock(db::Tx& tx);
// Whether tasks have ended and nothing at all is counted.
bool needs_stock(db::Tx& tx);

enum class By { none, provider, model, user };
enum class Step { whole, day, hour };

struct Question {
  Millis from = 0, to = 0;     // [from, to): whole hours
  Step step = Step::whole;
  Millis utc_offset = 0;       // of the days
  By by = By::none;
  std::string user_id;         // "" = all users
};
struct Usage {
  Millis at = 0;               // first moment of the step; `from` for the whole
  std::string key;             // the provider, model or user; "" when by none
  std::int64_t succeeded = 0, failed = 0, cancelled = 0, images = 0;
  Credits charged;
};
// In order of time, then of what was charged, most first; at most `limit` rows.
std::vector<Usage> usage(db::Tx& tx, const Question& question, int limit);

}  // namespace fluxgate::stats

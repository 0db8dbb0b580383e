// How long tasks take at the upstream, learned from those that ended, per model and size class. Drives when a task
// is looked at (policy.h) and the end its user is told to expect.
//
// What is kept of a class are its last 32 durations: small enough for one row, enough for the range in which nine of
// ten end, and a model that became faster or slower is known after some dozens of tasks. Until a class has three of
// its own, the model as a whole speaks for it.
//
// Samples gather in memory and are written together now and then, so that no task's transaction touches a row that
// all users share; a crash forgets some seconds of them. Nodes on one database add to the same rows.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/coro.h"
#include "db/database.h"
#include "tasks/task.h"

namespace fluxgate::tasks {

// From the submit on. A twentieth ends before `low`, a twentieth after `high`; wider while samples are few.
struct Expected {
  Millis low = 0, median = 0, high = 0;
  bool operator==(const Expected&) const = default;
};

inline constexpr std::size_t kDurationsKept = 32;

// `recent` in any order; nullopt when there is none.
std::optional<Expected> expected_of(std::vector<Millis> recent);

// Tasks of one model and about as many pictures, pixels and steps take about as long. Of numbers that users choose
// freely only the magnitude counts, so that classes stay few.
std::string size_class(const Task& task);

// As stored; works inside the caller's transaction.
std::optional<Expected> stored_expectation(db::Tx& tx, const Task& task);
// Adds to what is kept of a class; `size` "" = of the model as a whole.
void add_durations(db::Tx& tx, std::string_view model, std::string_view size, const std::vector<Millis>& fresh, Millis now);

// The engine's own. Not thread-safe: on one executor that runs one thread. The database outlives it.
class Durations {
 public:
  Durations(db::Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  // nullopt while nothing is known of the model. Reads the database when it has not for a while.
  awaitable<std::optional<Expected>> expected(Task task);
  void learn(const Task& task, Millis duration);
  // Counts tasks that had ended before the first look: how many there were in a row before this one.
  int early_before(const Task& task, bool early);
  // Writes what was learned since the last time. What could not be written is tried again.
  awaitable<void> flush();

 private:
  struct Key {
    std::string model, size;       // size "": the model as a whole
    auto operator<=>(const Key&) const = default;
  };
  struct Known {
    std::vector<Millis> recent;    // oldest first
    std::vector<Millis> fresh;     // of them, what is not stored yet
    Millis read_at = 0;            // 0 = never
    int early = 0;
  };

  awaitable<void> read(Key key);
  Known& known(const Key& key);

  db::Database& database_;
  const Clock& clock_;
  std::map<Key, Known> known_;     // in order: rows are locked in the same order by all nodes
};

}  // namespace fluxgate::tasks

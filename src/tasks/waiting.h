// What those who wait are told: their place in the line and how long it will probably take.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/coro.h"
#include "db/database.h"
#include "notify/events.h"
#include "tasks/accounts.h"
#include "tasks/queue.h"

namespace fluxgate::tasks {

// Thread-safe. The line of a provider is read once a second however many ask.
class Waiting {
 public:
  Waiting(const AccountStore& accounts, const Clock& clock) : accounts_(accounts), clock_(clock) {}

  // Sets queue_position and wait_ms of a queued task.
  void place(db::Tx& tx, const Task& task, Progress& progress);

 private:
  struct Known {
    Line line;
    Scheduling rules;
    std::int64_t slots = 0;   // tasks the provider's accounts work on at once
    std::int64_t cost_ms = 0; // of reading it
  };
  std::shared_ptr<const Known> known(db::Tx& tx, const std::string& provider);

  const AccountStore& accounts_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Known>, std::less<>> lines_;
  std::set<std::string> reading_;  // providers whose line is just being read
};

// Sends every listening user the places of their waiting tasks, as they change (task.progress, not stored).
// Runs until `group` stops; `due` cuts its waits short then.
awaitable<void> tell_places(CoroGroup& group, Wakeup& due, db::Database& database, notify::Hub& hub, Waiting& waiting);

}  // namespace fluxgate::tasks

// The waiting tasks: whose turn it is, and how long the others have to wait. The SQL of claims; every function
// works inside the caller's transaction.
//
// A claim locks its provider's row of fg_queue, where the turns are remembered: all nodes serve one order, and
// the limits per account, user and model hold across them.
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.h"
#include "tasks/scheduling.h"
#include "tasks/task.h"

namespace fluxgate::tasks {

// An upstream account that can be given tasks.
struct Room {
  std::string account_id;
  int weight = 1;
  int limit = 0;   // tasks at work, on all nodes together
  int at_most = std::numeric_limits<int>::max();  // of this claim
};

struct Claim {
  std::string provider;
  std::string node;
  Millis now = 0;
  int limit = 0;                 // tasks taken at most
  std::vector<Room> rooms;       // none: tasks are taken without an account, to be ended with the reason
};

// Takes waiting tasks in the order of scheduling.h, each with the account it is to be sent by.
std::vector<Task> claim(db::Tx& tx, const Claim& claim);

// Whether something waits and there is room for it: a look that locks nothing, since a claim takes the provider's row,
// and every submit of a long line would ask for one.
bool worth_claiming(db::Tx& tx, const Claim& claim);

// `queued` under this owner becomes free for any node again.
bool give_back(db::Tx& tx, const Task& task, Millis not_before, Millis now);

// ---- how long it takes ----

// The line of one provider at a moment. Made at most once a second; asked as often as people look.
class Line {
 public:
  static Line of(db::Tx& tx, std::string_view provider, Millis now);

  // Tasks that will probably be served before one that has `own_ahead` of its user's before it.
  std::int64_t ahead(Priority priority, std::string_view user_id, std::int64_t own_ahead) const;
  // Until a task with `ahead` before it is served, when `slots` work at once; nullopt when nothing was learned.
  std::optional<Millis> wait_ms(std::int64_t ahead, std::int64_t slots) const;
  std::int64_t waiting() const;
  Millis made_at() const { return made_at_; }

 private:
  struct Level {
    std::vector<std::int64_t> sizes;    // of the users' backlogs, ascending
    std::vector<std::int64_t> sums;     // sums[i]: of the first i
    std::map<std::string, std::int64_t, std::less<>> by_user;
  };
  std::map<Priority, Level> levels_;
  std::int64_t at_work_ = 0;
  std::optional<Millis> usual_ms_;
  Millis made_at_ = 0;
};

// How many of its user's own waiting tasks of the same priority stand before it; counted up to 1 000.
std::int64_t own_ahead(db::Tx& tx, const Task& task);

// Until the limits on its user and its model have room for a task with `own_ahead` before it, whatever the accounts
// have; nullopt when they have not and nothing was learned.
std::optional<Millis> wait_for_limits(db::Tx& tx, const Scheduling& rules, const Task& task, std::int64_t own_ahead);

}  // namespace fluxgate::tasks

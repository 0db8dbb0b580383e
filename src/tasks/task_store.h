// The SQL of tasks. Every function works inside the caller's transaction.
//
// Each transition names the state it leaves, the owner and the fence in its WHERE, so that a node that
// lost its lease, or a cancel that came in between, makes it match nothing; then the function returns
// nullopt/false and has changed nothing. Each transition also keeps the counters and writes the event.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "credits/ledger.h"
#include "db/database.h"
#include "tasks/task.h"
#include "tasks/tasks.h"

namespace fluxgate::tasks::store {

// ---- reading ----
std::optional<Task> find(db::Tx& tx, std::string_view id, std::string_view user_id);  // "" = anyone's; legacy ids too
std::vector<TaskFile> files(db::Tx& tx, std::string_view task_id);
struct TaskPage {
  std::vector<Task> tasks;
  std::string next_cursor;  // "" = no more
};
TaskPage history(db::Tx& tx, const HistoryQuery& query);
std::int64_t total(db::Tx& tx, const HistoryQuery& query);
std::vector<Attempt> attempts(db::Tx& tx, std::string_view task_id);
std::optional<Attempt> last_attempt(db::Tx& tx, std::string_view task_id);
std::optional<Attempt> find_attempt(db::Tx& tx, std::string_view attempt_id);

// ---- submit ----
// `account`: of the user, as it is with the task's hold.
void insert(db::Tx& tx, const Task& task, const credits::Account& account);

// ---- the engine's transitions ----
inline constexpr Millis kLease = 10'000;  // without a word a node counts as living for so long
// The node lives for `lease` more, by the database's clock where nodes share one; `now` is the caller's.
void renew_lease(db::Tx& tx, std::string_view node, Millis lease, Millis now);
void end_lease(db::Tx& tx, std::string_view node);
void end_other_leases(db::Tx& tx, std::string_view node);
// Takes over live tasks whose owner has no lease any more.
std::vector<Task> take_over(db::Tx& tx, std::string_view node, Millis now, int limit);
std::vector<Task> owned_by(db::Tx& tx, std::string_view node);

// What a move writes beside the state. Times come from `now`.
struct Move {
  TaskState to = TaskState::failed;
  Millis now = 0;
  std::string error_code = {}, error_param = {};
  Text error_message = {};
  std::optional<boost::json::value> result = {};
  std::string seed = {};
  std::optional<Millis> not_before = {};
  bool count_try = false, count_resubmit = false;
  Credits captured = {};                      // with a final state
  int delivered = 0;                          // files, with `succeeded`
  credits::Stamp stamp = {};                  // with a final state
};
// Moves the task on if it still is in `task.state` under `task.owner` and `task.fence`. On success `task`
// is updated in place and true returned. A final state settles the hold.
bool move(db::Tx& tx, Task& task, const Move& move);

void insert_attempt(db::Tx& tx, const Attempt& attempt);
void accept_attempt(db::Tx& tx, std::string_view attempt_id, const boost::json::object& reference, Millis now);
void finish_attempt(db::Tx& tx, std::string_view attempt_id, std::string_view outcome, Millis now);
void insert_file(db::Tx& tx, std::string_view task_id, const TaskFile& file);

// Marks that its user wants it stopped; false when it has ended.
bool request_cancel(db::Tx& tx, const Task& task, Millis now);

}  // namespace fluxgate::tasks::store

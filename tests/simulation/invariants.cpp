#include "invariants.h"

#include <fmt/format.h>

#include "tasks/audit.h"

namespace fluxgate::simulation {
namespace {

struct Promise {
  std::string_view name;
  std::string_view broken;  // counts what breaks it
};

constexpr Promise kAlways[] = {
    {"no balance is negative", "SELECT COUNT(*) FROM fg_credit_account WHERE balance < 0 OR held < 0 OR balance < held"},
    {"a task is captured at most once",
     "SELECT COUNT(*) FROM (SELECT task_id FROM fg_credit_entry WHERE kind = 'capture' GROUP BY task_id HAVING COUNT(*) > 1) t"},
    {"every success has its files", "SELECT COUNT(*) FROM fg_task t WHERE status = 'succeeded' AND NOT EXISTS "
     "(SELECT 1 FROM fg_task_file f JOIN generated_files g ON g.id = f.file_id WHERE f.task_id = t.id)"},
    {"nobody is given more than they asked for",
     "SELECT COUNT(*) FROM fg_task t WHERE images < (SELECT COUNT(*) FROM fg_task_file f WHERE f.task_id = t.id)"},
    {"a cached result is the user's own",
     "SELECT COUNT(*) FROM fg_task t JOIN fg_task made ON made.id = t.cached_from WHERE made.user_id <> t.user_id"},
    {"a success is charged for what it delivered, at five credits each, and nothing when it was there already",
     "SELECT COUNT(*) FROM fg_task t WHERE status = 'succeeded' AND charged <> CASE WHEN cached_from IS NULL THEN 5000 ELSE 0 END * "
     "(SELECT COUNT(*) FROM fg_task_file f WHERE f.task_id = t.id)"},
    {"a task is sent again once at most", "SELECT COUNT(*) FROM fg_task WHERE resubmits > 1"},
    {"a success is captured exactly once, unless it was free",
     "SELECT COUNT(*) FROM fg_task t WHERE status = 'succeeded' AND charged > 0 AND (SELECT COUNT(*) FROM fg_credit_entry e "
     "WHERE e.task_id = t.id AND e.kind = 'capture' AND e.amount = -t.charged) <> 1"},
    {"nothing else is charged", "SELECT COUNT(*) FROM fg_task WHERE status <> 'succeeded' AND charged <> 0"},
    {"every task was held for", "SELECT COUNT(*) FROM fg_task t WHERE NOT EXISTS "
     "(SELECT 1 FROM fg_credit_entry e WHERE e.task_id = t.id AND e.kind = 'hold')"},
    {"nothing is held for what has ended",
     "SELECT COUNT(*) FROM fg_task t WHERE status IN ('succeeded', 'failed', 'cancelled') AND "
     "(SELECT SUM(amount) FROM fg_credit_entry e WHERE e.task_id = t.id AND e.kind IN ('hold', 'capture', 'release')) <> 0"},
    {"what has ended has no owner", "SELECT COUNT(*) FROM fg_task WHERE status IN ('succeeded', 'failed', 'cancelled') AND owner IS NOT NULL"},
    {"one key is one task", "SELECT COUNT(*) FROM (SELECT prompt FROM fg_task WHERE prompt LIKE 'key%' GROUP BY prompt HAVING COUNT(*) > 1) d"},
    {"every file belongs to a task", "SELECT COUNT(*) FROM generated_files g WHERE NOT EXISTS (SELECT 1 FROM fg_task_file f WHERE f.file_id = g.id)"},
    {"only a success has files", "SELECT COUNT(*) FROM fg_task_file f WHERE NOT EXISTS "
     "(SELECT 1 FROM fg_task t WHERE t.id = f.task_id AND t.status = 'succeeded')"},
    {"counters count", "SELECT COUNT(*) FROM fg_user_counter c WHERE n <> (SELECT COUNT(*) FROM fg_task t WHERE t.user_id = c.user_id "
     "AND t.provider = c.provider AND t.status = c.status)"},
    {"events have no gaps", "SELECT COUNT(*) FROM fg_user u WHERE event_seq <> (SELECT COUNT(*) FROM fg_event e WHERE e.user_id = u.user_id)"},
    {"an account works on no more than its limit",
     "SELECT COUNT(*) FROM (SELECT account_id FROM fg_task WHERE owner IS NOT NULL AND account_id IS NOT NULL GROUP BY account_id HAVING COUNT(*) > 4) a"},
    {"a batch has all its tasks", "SELECT COUNT(*) FROM fg_batch b WHERE total <> (SELECT COUNT(*) FROM fg_task t WHERE t.batch_id = b.id)"},
    {"a batch has ended when its tasks have, and not before",
     "SELECT COUNT(*) FROM fg_batch b WHERE (ended_at IS NULL) <> EXISTS (SELECT 1 FROM fg_task t WHERE t.batch_id = b.id "
     "AND t.status NOT IN ('succeeded', 'failed', 'cancelled'))"},
};

void look(db::Tx& tx, std::vector<std::string>& broken) {
  for (const Promise& promise : kAlways)
    if (const auto count = tx.number(promise.broken); count != 0) broken.push_back(fmt::format("{}: {} times", promise.name, count));
}

void look_for(db::Tx& tx, std::string_view table, const Answered& answered, std::vector<std::string>& broken) {
  for (const auto& [key, id] : answered)
    if (const auto owner = tx.first(fmt::format("SELECT user_id FROM {} WHERE id = $1", table), {id}, [](const db::Row& row) { return row.str(0); }); !owner)
      broken.push_back(fmt::format("what was answered exists: {} of {} does not", id, key));
    else if (!key.starts_with(*owner + " "))
      broken.push_back(fmt::format("a key is its user's own: {} was answered a task of {}", key, *owner));
}

}  // namespace

std::vector<std::string> broken_promises(db::Tx& tx, const Known& known) {
  std::vector<std::string> broken;
  look(tx, broken);
  look_for(tx, "fg_task", known.tasks, broken);
  look_for(tx, "fg_batch", known.batches, broken);
  if (const auto tasks = tx.number("SELECT COUNT(*) FROM fg_task"); tasks > known.asked_for)
    broken.push_back(fmt::format("one key is one task: {} were asked for, there are {}", known.asked_for, tasks));
  for (const std::string& finding : tasks::audit(tx)) broken.push_back("db verify finds nothing: " + finding);
  return broken;
}

}  // namespace fluxgate::simulation

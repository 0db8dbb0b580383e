#include "tasks/audit.h"

#include "credits/checks.h"
#include "credits/ledger.h"
#include "files/stock.h"

namespace fluxgate::tasks {
namespace {

// Imported tasks (legacy_id) were ended by other rules; only what we count of them is looked at.
constexpr credits::Check kChecks[] = {
    {"SELECT t.id, t.charged, 0 FROM fg_task t WHERE t.legacy_id IS NULL AND t.status <> 'succeeded' AND t.charged <> 0",
     "task is charged and did not succeed"},
    {"SELECT t.id, t.charged, t.quote FROM fg_task t WHERE t.legacy_id IS NULL AND t.charged > t.quote",
     "task is charged more than its price"},
    {"SELECT t.id, t.charged, t.quote FROM fg_task t WHERE t.legacy_id IS NULL AND t.status = 'succeeded' AND t.quote > 0 "
     "AND (SELECT COUNT(*) FROM fg_credit_entry e WHERE e.task_id = t.id AND e.kind = 'capture') <> 1",
     "task succeeded and was not captured exactly once"},
    {"SELECT t.id, t.fence, 0 FROM fg_task t WHERE t.status IN ('succeeded', 'failed', 'cancelled') AND t.owner IS NOT NULL",
     "task has ended and still has an owner"},
    {"SELECT t.id, t.created_at, 0 FROM fg_task t WHERE t.legacy_id IS NULL "
     "AND (t.status IN ('succeeded', 'failed', 'cancelled')) <> (t.completed_at IS NOT NULL)",
     "task has a time of completion and has not ended, or the other way round"},
    {"SELECT t.id, t.resubmits, 1 FROM fg_task t WHERE t.resubmits > 1", "task was sent again more than once"},
    {"SELECT t.id, 0, 0 FROM fg_task t WHERE t.legacy_id IS NULL AND t.status = 'succeeded' AND NOT EXISTS "
     "(SELECT 1 FROM fg_task_file f WHERE f.task_id = t.id)",
     "task succeeded without a file"},
    {"SELECT f.task_id, f.position, 0 FROM fg_task_file f WHERE NOT EXISTS (SELECT 1 FROM generated_files g WHERE g.id = f.file_id)",
     "delivered file has no row"},
    {"SELECT f.file_id, f.position, 0 FROM fg_task_file f WHERE NOT EXISTS "
     "(SELECT 1 FROM fg_task t WHERE t.id = f.task_id AND (t.status = 'succeeded' OR t.legacy_id IS NOT NULL))",
     "delivered file belongs to no task that succeeded"},
    {"SELECT g.id, 0, 0 FROM generated_files g JOIN fg_task t ON t.id = g.source_task_id WHERE t.legacy_id IS NULL "
     "AND NOT EXISTS (SELECT 1 FROM fg_task_file f WHERE f.file_id = g.id)",
     "result is not among the files of its task"},
    {"SELECT c.user_id, c.n, 0 FROM fg_user_counter c WHERE c.n <> (SELECT COUNT(*) FROM fg_task t WHERE "
     "t.user_id = c.user_id AND t.provider = c.provider AND t.status = c.status)",
     "counter is not the number of tasks"},
    {"SELECT t.user_id, COUNT(*), 0 FROM fg_task t GROUP BY t.user_id, t.provider, t.status HAVING NOT EXISTS "
     "(SELECT 1 FROM fg_user_counter c WHERE c.user_id = t.user_id AND c.provider = t.provider AND c.status = t.status)",
     "tasks are counted by no counter"},
    {"SELECT b.id, COALESCE(b.ended_at, 0), 0 FROM fg_batch b WHERE (b.ended_at IS NULL) <> EXISTS "
     "(SELECT 1 FROM fg_task t WHERE t.batch_id = b.id AND t.status NOT IN ('succeeded', 'failed', 'cancelled'))",
     "batch has ended before its tasks, or not with them"},
    {"SELECT b.id, COUNT(*), b.total FROM fg_batch b JOIN fg_task t ON t.batch_id = b.id GROUP BY b.id, b.total HAVING COUNT(*) > b.total",
     "batch has more tasks than were submitted"},
    {"SELECT e.user_id, MAX(e.seq), u.event_seq FROM fg_event e JOIN fg_user u ON u.user_id = e.user_id "
     "GROUP BY e.user_id, u.event_seq HAVING MAX(e.seq) > u.event_seq",
     "event has a number that was not given yet"},
    {"SELECT i.task_id, i.created_at, 0 FROM fg_idempotency i WHERE NOT EXISTS (SELECT 1 FROM fg_task t WHERE t.id = i.task_id) "
     "AND NOT EXISTS (SELECT 1 FROM fg_batch b WHERE b.id = i.task_id)",
     "Idempotency-Key stands for what does not exist"},
};

}  // namespace

std::vector<std::string> audit(db::Tx& tx) {
  auto findings = credits::audit(tx);
  for (std::string& finding : credits::findings_of(tx, kChecks)) findings.push_back(std::move(finding));
  for (std::string& finding : files::audit(tx)) findings.push_back(std::move(finding));
  return findings;
}

}  // namespace fluxgate::tasks

// The invariants of the books, as queries that must find nothing.
#include <fmt/format.h>

#include "credits/checks.h"
#include "credits/ledger.h"

namespace fluxgate::credits {
namespace {

constexpr Check kChecks[] = {
    {"SELECT a.user_id, a.balance, COALESCE(SUM(CASE WHEN e.kind IN ('hold', 'release') THEN 0 ELSE e.amount END), 0) "
     "FROM fg_credit_account a LEFT JOIN fg_credit_entry e ON e.user_id = a.user_id GROUP BY a.user_id, a.balance "
     "HAVING a.balance <> COALESCE(SUM(CASE WHEN e.kind IN ('hold', 'release') THEN 0 ELSE e.amount END), 0)",
     "balance is not the sum of its entries"},
    {"SELECT a.user_id, a.held, COALESCE(SUM(CASE WHEN e.kind IN ('hold', 'release', 'capture') THEN e.amount ELSE 0 END), 0) "
     "FROM fg_credit_account a LEFT JOIN fg_credit_entry e ON e.user_id = a.user_id AND (e.kind <> 'capture' OR e.task_id IS NOT NULL) "
     "GROUP BY a.user_id, a.held "
     "HAVING a.held <> COALESCE(SUM(CASE WHEN e.kind IN ('hold', 'release', 'capture') THEN e.amount ELSE 0 END), 0)",
     "held amount is not the sum of open holds"},
    // Taken-over balances may be negative (the old platform overdrew them): then never below what was taken over.
    {"SELECT a.user_id, a.balance, a.held FROM fg_credit_account a WHERE a.held < 0 OR (a.balance - a.held < 0 AND a.balance - a.held < "
     "COALESCE((SELECT MIN(e.balance_after) FROM fg_credit_entry e WHERE e.user_id = a.user_id AND (e.kind IN ('open', 'adjust') "
     "OR (e.kind = 'capture' AND e.task_id IS NULL))), 0))",
     "held or available amount is negative"},
    {"SELECT t.id, t.quote, 0 FROM fg_task t WHERE t.legacy_id IS NULL AND NOT EXISTS "
     "(SELECT 1 FROM fg_credit_entry e WHERE e.task_id = t.id AND e.kind = 'hold' AND e.amount = t.quote)",
     "task has no hold of its quote"},
    {"SELECT t.id, t.charged, 0 FROM fg_task t WHERE t.legacy_id IS NULL AND t.status IN ('succeeded', 'failed', 'cancelled') "
     "AND COALESCE((SELECT SUM(e.amount) FROM fg_credit_entry e WHERE e.task_id = t.id AND e.kind IN ('hold', 'capture', 'release')), 0) <> 0",
     "task has ended and still holds credits"},
    {"SELECT t.id, t.charged, 0 FROM fg_task t WHERE t.legacy_id IS NULL AND "
     "t.charged <> -COALESCE((SELECT SUM(e.amount) FROM fg_credit_entry e WHERE e.task_id = t.id AND e.kind = 'capture'), 0)",
     "task's charge is not what was captured"},
    // Once retention has let tasks go (tasks/retention.cpp), entries outlive theirs; what they held must be settled.
    {"SELECT e.id, e.amount, 0 FROM fg_credit_entry e WHERE e.task_id IS NOT NULL AND NOT EXISTS "
     "(SELECT 1 FROM fg_task t WHERE t.id = e.task_id) AND NOT EXISTS (SELECT 1 FROM fg_once WHERE name = 'tasks removed')",
     "entry names a task that does not exist"},
    {"SELECT e.task_id, SUM(e.amount), 0 FROM fg_credit_entry e WHERE e.task_id IS NOT NULL "
     "AND e.kind IN ('hold', 'capture', 'release') AND NOT EXISTS (SELECT 1 FROM fg_task t WHERE t.id = e.task_id) "
     "GROUP BY e.task_id HAVING SUM(e.amount) <> 0 AND MAX(CASE WHEN e.kind = 'hold' THEN 1 ELSE 0 END) = 1",
     "task is gone and still holds credits"},
    {"SELECT e.task_id, COUNT(*), 1 FROM fg_credit_entry e WHERE e.task_id IS NOT NULL GROUP BY e.task_id, e.kind HAVING COUNT(*) > 1",
     "task has two entries of one kind"},
};

}  // namespace

std::vector<std::string> audit(db::Tx& tx) {
  return findings_of(tx, kChecks);
}

std::vector<std::string> findings_of(db::Tx& tx, std::span<const Check> checks) {
  std::vector<std::string> findings;
  for (const Check& check : checks)
    tx.each(check.sql, {}, [&](const db::Row& row) {
      findings.push_back(fmt::format("{}: {} ({}, {})", row.text(0), check.what, row.i64(1), row.i64(2)));
    });
  return findings;
}

}  // namespace fluxgate::credits

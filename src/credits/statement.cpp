#include "credits/statement.h"

namespace fluxgate::credits {

std::vector<StatementLine> statement(db::Tx& tx, std::string_view user_id, std::int64_t limit,
                                     std::int64_t offset) {
  return tx.all(
      "SELECT e.id, e.kind, e.amount, e.balance_after, e.held_after, e.task_id, e.actor_id, e.reason, "
      "e.created_at, "
      "t.model, t.provider FROM fg_credit_entry e LEFT JOIN fg_task t ON t.id = e.task_id "
      "WHERE e.user_id = $1 ORDER BY e.id DESC LIMIT $2 OFFSET $3",
      {user_id, limit, offset}, [](const db::Row& row) {
        Entry entry{row.str(0), row.str(1), row.credits(2), row.credits(3), row.credits(4),
                    row.str(5), row.str(6), row.str(7),     row.i64(8)};
        return StatementLine{std::move(entry), row.str(9), row.str(10)};
      });
}

}  // namespace fluxgate::credits

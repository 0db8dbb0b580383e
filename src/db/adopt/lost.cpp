#include "db/adopt/lost.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/ids.h"
#include "base/money.h"
#include "db/adopt/work.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {
namespace {

// Those whose owner has an account to give it to.
constexpr std::string_view kOwed =
    "FROM fg_task WHERE error_code = $1 AND charged > 0 AND legacy_id IS NOT NULL AND EXISTS "
    "(SELECT 1 FROM fg_credit_account a WHERE a.user_id = fg_task.user_id)";

}  // namespace

Text lost_text(std::int64_t cost, bool given_back) {
  const std::string credits = Credits::thousandths(cost).to_string();
  if (cost <= 0) return {"The previous system lost this task; nothing was taken for it.", "该任务已被旧系统丢失，未扣除积分。"};
  if (given_back)
    return {fmt::format("The previous system lost this task. The {} credits taken for it were given back.", credits),
            fmt::format("该任务已被旧系统丢失，扣除的 {} 积分已退还。", credits)};
  return {fmt::format("The previous system lost this task. It had taken {} credits for it; an administrator can give them back.", credits),
          fmt::format("该任务已被旧系统丢失，当时扣除了 {} 积分，管理员可以退还。", credits)};
}

std::string text_json(const Text& text) { return boost::json::serialize(boost::json::object{{"en", text.en}, {"zh", text.zh}}); }

Owed owed(Tx& tx) {
  if (kind_of(tx, "fg_task") != Kind::table) return {};
  return tx.first(fmt::format("SELECT COUNT(*), COALESCE(SUM(charged), 0) {}", kOwed), {kLost},
                  [](const Row& row) { return Owed{row.i64(0), row.i64(1)}; }).value_or(Owed{});
}

Lines give_back(Tx& tx, Millis now) {
  struct Lost {
    std::string id, user_id;
    std::int64_t charged = 0;
  };
  const Owed all = owed(tx);
  if (all.tasks == 0) return {};
  for (;;) {
    const auto page = tx.all(fmt::format("SELECT id, user_id, charged {} ORDER BY id LIMIT 500", kOwed), {kLost},
                             [](const Row& row) { return Lost{row.str(0), row.str(1), row.i64(2)}; });
    if (page.empty()) break;
    for (const Lost& task : page) {
      tx.exec(
          "UPDATE fg_credit_account SET balance = balance + $1, updated_at = $2 WHERE user_id = $3",
          {task.charged, now, task.user_id});
      tx.exec(
          "INSERT INTO fg_credit_entry (id, user_id, kind, amount, balance_after, held_after, task_id, reason, created_at) "
          "SELECT $1, user_id, 'grant', $2, balance, held, $3, 'given back: lost by the previous system', $4 "
          "FROM fg_credit_account WHERE user_id = $5",
          {new_id(now), task.charged, task.id, now, task.user_id});
      tx.exec("UPDATE fg_task SET charged = 0, error_message = $2, rev = rev + 1, updated_at = $3 WHERE id = $1",
              {task.id, text_json(lost_text(task.charged, true)), now});
    }
  }
  const std::string credits = Credits::thousandths(all.amount).to_string();
  return {{"", {fmt::format("{} credits were given back for {} lost tasks.", credits, all.tasks),
                fmt::format("已为 {} 个丢失的任务退还 {} 积分。", all.tasks, credits)}, Level::info}};
}

void give_back_over(Work& work) {
  if (!work.options.give_back) return;
  for (Line& line : give_back(work.tx, work.options.now)) work.lines.push_back(std::move(line));
}

}  // namespace fluxgate::db::adopt

#include "db/adopt/lost.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/ids.h"
#include "base/money.h"
#include "db/adopt/entries.h"
#include "db/adopt/source.h"
#include "db/adopt/work.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {
namespace {

// A task that was lost and whose owner has an account to give its credits to.
struct Lost {
  std::string id, user_id, legacy_id;
  std::int64_t charged = 0;
};
std::vector<Lost> lost_tasks(Tx& tx) {
  return tx.all(
      "SELECT id, user_id, legacy_id, charged FROM fg_task WHERE error_code = $1 AND charged > 0 AND legacy_id IS NOT NULL AND EXISTS "
      "(SELECT 1 FROM fg_credit_account a WHERE a.user_id = fg_task.user_id) ORDER BY id",
      {kLost}, [](const Row& row) { return Lost{row.str(0), row.str(1), row.str(2), row.i64(3)}; });
}

void settle(Tx& tx, const Lost& task, Millis now) {
  tx.exec("UPDATE fg_task SET charged = 0, error_message = $2, rev = rev + 1, updated_at = $3 WHERE id = $1",
          {task.id, text_json(lost_text(task.charged, true)), now});
}

}  // namespace

std::set<std::string> refunded_tasks(Tx& tx) {
  std::set<std::string> ids;
  for (const std::string& table : copies(tx, "credit_log")) {
    Source log(tx, table);
    const int detail = log.pick("detail");
    log.each("", [&](const OldRow& row) {
      if (!row[detail].value_or("").contains("task_id")) return;
      if (LogDetail entry = read_detail(json_of(row[detail])); entry.refund) ids.insert(std::move(entry.task_id));
    });
  }
  for (const std::string& table : copies(tx, "kling_lip_sync_credits")) {
    Source list(tx, table);
    const int task = list.pick("task_id"), operation = list.pick("operation_type");
    list.each("", [&](const OldRow& row) {
      if (row.text(operation) == "refund") ids.insert(row.text(task));
    });
  }
  return ids;
}

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
  Owed all;
  const auto lost = lost_tasks(tx);
  if (lost.empty()) return all;
  const auto refunded = refunded_tasks(tx);
  for (const Lost& task : lost) {
    if (refunded.contains(task.legacy_id)) continue;
    ++all.tasks;
    all.amount += task.charged;
  }
  return all;
}

Lines give_back(Tx& tx, Millis now) {
  Owed given;
  const auto lost = lost_tasks(tx);
  if (lost.empty()) return {};
  const auto refunded = refunded_tasks(tx);
  for (const Lost& task : lost) {
    settle(tx, task, now);
    if (refunded.contains(task.legacy_id)) continue;  // taken over by a version that did not look
    tx.exec("UPDATE fg_credit_account SET balance = balance + $1, updated_at = $2 WHERE user_id = $3", {task.charged, now, task.user_id});
    tx.exec(
        "INSERT INTO fg_credit_entry (id, user_id, kind, amount, balance_after, held_after, task_id, reason, created_at) "
        "SELECT $1, user_id, 'grant', $2, balance, held, $3, 'given back: lost by the previous system', $4 "
        "FROM fg_credit_account WHERE user_id = $5",
        {new_id(now), task.charged, task.id, now, task.user_id});
    ++given.tasks;
    given.amount += task.charged;
  }
  if (given.tasks == 0) return {};
  const std::string credits = Credits::thousandths(given.amount).to_string();
  return {{"", {fmt::format("{} credits were given back for {} lost tasks.", credits, given.tasks),
                fmt::format("已为 {} 个丢失的任务退还 {} 积分。", given.tasks, credits)}, Level::info}};
}

void give_back_over(Work& work) {
  if (!work.options.give_back) return;
  for (Line& line : give_back(work.tx, work.options.now)) work.lines.push_back(std::move(line));
}

}  // namespace fluxgate::db::adopt

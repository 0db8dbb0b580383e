// Money: the unified balance with its history, codes and tickets. The rule (spec/seed-db.md §16.3):
//
//   credit.credit is the balance, to the nearest thousandth; the log explains it and never changes it. Entries follow
//   each other by time; an entry's balance_after is the log's, its amount the difference to the entry before. Where the
//   log starts late an opening entry comes first; where it ends at another balance a closing adjustment comes last. So
//   the entries always sum up to the balance. Tables of credits per provider are no money: nothing ever spent them.
#include <fmt/format.h>

#include "db/adopt/keyed.h"
#include "db/adopt/ledger.h"
#include "db/adopt/source.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {
namespace {

Text merge_rule() {
  return {"Balances come from table credit, exact to a thousandth; credit_log becomes the ledger, with an opening and a closing entry "
          "where it does not add up. Credits per provider (flux_credits, mj_credits …) are no money and stay in their old tables.",
          "余额取自 credit 表，精确到千分之一；credit_log 转为账本，若合计不符则补一条期初和期末调整。各服务商的积分表"
          "（flux_credits、mj_credits 等）不计入余额，保留在原表中。"};
}

// Balances that no log explains.
void open_rest(Work& work) {
  struct Account {
    std::string user_id;
    std::int64_t balance = 0;
    Millis created_at = 0;
  };
  std::string after;
  for (;;) {
    const auto page = work.tx.all(
        "SELECT user_id, balance, created_at FROM fg_credit_account WHERE user_id > $1 AND balance <> 0 AND NOT EXISTS "
        "(SELECT 1 FROM fg_credit_entry e WHERE e.user_id = fg_credit_account.user_id) ORDER BY user_id LIMIT 500",
        {after}, [](const Row& row) { return Account{row.str(0), row.i64(1), row.i64(2)}; });
    if (page.empty()) return;
    for (const Account& account : page)
      insert_entry(work.tx, {account.user_id, "open", account.balance, account.balance, "balance taken over", account.created_at});
    after = page.back().user_id;
  }
}

// ---- what is no money ----

struct Other {
  std::string_view table, column;
};
constexpr Other kOthers[] = {{"flux_credits", "credits_balance"},
                             {"mj_credits", "balance"},
                             {"dreamwork_credits", "balance"},
                             {"kling_credits", "balance"},
                             {"kling_lip_sync_credits", ""}};

std::int64_t rows_with_balance(Tx& tx, const std::string& table, std::string_view column) {
  if (column.empty()) return 0;
  Source source(tx, table);
  const int balance = source.pick(column);
  std::int64_t rows = 0;
  source.each("", [&](const OldRow& row) {  // whatever type the column has
    if (thousandths_of(row[balance]).value_or(0) != 0) ++rows;
  });
  return rows;
}

Text not_money(std::int64_t rows) {
  return {fmt::format("{} rows show a balance of their own. The old platform never spent it, so it is not added to anybody's credits.", rows),
          fmt::format("{} 行另有余额；旧平台从未使用过这些余额，因此不计入用户积分。", rows)};
}

void set_others_aside(Work& work) {
  for (const Other& other : kOthers)
    for (const std::string& legacy : waiting(work.tx, other.table)) {
      const std::int64_t with_balance = rows_with_balance(work.tx, legacy, other.column);
      if (with_balance != 0) work.say(legacy, not_money(with_balance), Level::warning);
      mark_done(work, legacy, Source(work.tx, legacy).rows(), 0);
    }
}

void check_sums(Tx& tx) {
  const auto wrong = tx.first(
      "SELECT a.user_id FROM fg_credit_account a LEFT JOIN fg_credit_entry e ON e.user_id = a.user_id AND e.kind NOT IN ('hold', 'release') "
      "GROUP BY a.user_id, a.balance HAVING a.balance <> COALESCE(SUM(e.amount), 0) LIMIT 1",
      {}, [](const Row& row) { return row.str(0); });
  if (wrong) throw Failure(fmt::format("the entries of user {} do not sum up to their balance, so nothing was changed", *wrong));
}

}  // namespace

void credits_over(Work& work) {
  if (!waiting(work.tx, "credit").empty()) work.say("credit", merge_rule());
  keyed_over(work, "credit");
  log_over(work);
  open_rest(work);
  keyed_over(work, "redemption_code");
  keyed_over(work, "trade_ticket");
  set_others_aside(work);
  check_sums(work.tx);
}

void plan_credits(Tx& tx, Lines& lines) {
  if (!still_here(tx, "credit").empty()) lines.push_back({"credit", merge_rule()});
  plan_keyed(tx, "credit", lines);
  plan_log(tx, lines);
  plan_keyed(tx, "redemption_code", lines);
  plan_keyed(tx, "trade_ticket", lines);
  for (const Other& other : kOthers)
    for (const std::string& table : still_here(tx, other.table))
      if (const std::int64_t rows = rows_with_balance(tx, table, other.column); rows != 0)
        lines.push_back({table, not_money(rows), Level::warning});
      else
        lines.push_back({table, {"Nobody's credits: it only gets another name.", "不是用户积分，仅更改表名。"}});
}

}  // namespace fluxgate::db::adopt

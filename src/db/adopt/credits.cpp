// Money: the unified balance with its history, codes and tickets. The rule (spec/seed-db.md §16.3):
//
//   credit.credit is the balance, to the nearest thousandth; the log explains it and never changes it. Entries follow
//   each other by time; an entry's balance_after is the log's, its amount the difference to the entry before. Where the
//   log starts late an opening entry comes first; where it ends at another balance a closing adjustment comes last. So
//   the entries always sum up to the balance. Tables of credits per provider are no money: nothing ever spent them.
#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/ids.h"
#include "db/adopt/entries.h"
#include "db/adopt/source.h"
#include "db/adopt/work.h"
#include "db/introspect.h"
#include "db/post.h"

namespace fluxgate::db::adopt {
namespace {

Text merge_rule() {
  return {"Balances come from table credit, exact to a thousandth; credit_log becomes the ledger, with an opening and a closing entry "
          "where it does not add up. Credits per provider (flux_credits, mj_credits …) are no money and stay in their old tables.",
          "余额取自 credit 表，精确到千分之一；credit_log 转为账本，若合计不符则补一条期初和期末调整。各服务商的积分表"
          "（flux_credits、mj_credits 等）不计入余额，保留在原表中。"};
}

// ---- accounts ----

void accounts_over(Work& work, const std::string& legacy) {
  Source source(work.tx, legacy);
  const std::int64_t rows = source.rows();
  const int user = source.pick("user_id"), credit = source.pick("credit"), created = source.pick("created_at"),
            updated = source.pick("updated_at");
  std::int64_t taken = 0, without_user = 0, known = 0, fractions = 0, negative = 0, unreadable = 0;
  source.each("", [&](const OldRow& row) {
    const std::string user_id = row.text(user);
    if (user_id.empty()) return void(++without_user);
    const auto balance = thousandths_of(row[credit]);
    if (row[credit] && !balance) ++unreadable;
    const Millis made = time_of(row[created]).value_or(work.options.now);
    const auto inserted = work.tx.exec(
        "INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ($1, $2, 0, $3, $4) "
        "ON CONFLICT (user_id) DO NOTHING",
        {user_id, balance.value_or(0), made, time_of(row[updated]).value_or(made)});
    if (inserted == 0) return void(++known);
    ++taken;
    fractions += balance.value_or(0) % 1000 != 0;
    negative += balance.value_or(0) < 0;
  });
  check_count(legacy, rows, taken, without_user + known);
  mark_done(work, legacy, rows, taken);
  work.say(legacy, merge_rule());
  work.say(legacy, {fmt::format("{} of {} balances were taken over.", taken, rows), fmt::format("{} / {} 个余额已接管。", taken, rows)},
           Level::info, rows, taken);
  const auto warn = [&](std::int64_t count, const char* en, const char* zh) {
    if (count != 0) work.say(legacy, {fmt::format("{} {}", count, en), fmt::format("{} {}", count, zh)}, Level::warning);
  };
  warn(fractions, "balances have fractions, which the old pages rounded away; the exact value counts.", "个余额带小数，旧页面会四舍五入，以精确值为准。");
  warn(negative, "balances are negative; they stay so until they are topped up.", "个余额为负，充值前保持不变。");
  warn(unreadable, "balances are no numbers and count as 0.", "个余额不是数字，按 0 计。");
  warn(known, "rows belong to users who have an account already and were left out.", "行属于已有账户的用户，未接管。");
  warn(without_user, "rows without a user were left out.", "行没有用户，未接管。");
}

// ---- the log ----

struct NewEntry {
  std::string_view user_id, kind;
  std::int64_t amount = 0, balance_after = 0;
  std::string_view reason;
  Millis at = 0;
};

void insert_entry(Tx& tx, const NewEntry& entry) {
  post(tx,
      "INSERT INTO fg_credit_entry (id, user_id, kind, amount, balance_after, held_after, reason, created_at) "
      "VALUES ($1, $2, $3, $4, $5, 0, $6, $7)",
      {new_id(entry.at), entry.user_id, entry.kind, entry.amount, entry.balance_after,
       entry.reason.empty() ? Param(nullptr) : Param(entry.reason), entry.at});
}

// Entries of one user after the other, in order of time.
class LogImport {
 public:
  LogImport(Work& work, std::string table) : work_(work), source_(work.tx, std::move(table)) {}

  void run() {
    const std::int64_t rows = source_.rows();
    const int user = source_.pick("user_id"), credit = source_.pick("credit"), detail = source_.pick("detail"),
              created = source_.pick("created_at");
    source_.each("user_id, created_at", [&](const OldRow& row) {
      if (const std::string id = row.text(user); id != user_ || rows_seen_ == 0) begin(id);
      ++rows_seen_;
      if (skip_) return void(++left_out_);
      const auto after = thousandths_of(row[credit]);
      take(after.value_or(balance_.value_or(0)), read_detail(json_of(row[detail])),
           time_of(row[created]).value_or(work_.options.now));
    });
    close();
    check_count(source_.table(), rows, taken_, left_out_);
    mark_done(work_, source_.table(), rows, taken_);
    report(rows);
  }

 private:
  void begin(const std::string& id) {
    close();
    user_ = id;
    balance_.reset();
    skip_ = id.empty() || work_.tx.number("SELECT COUNT(*) FROM (SELECT 1 FROM fg_credit_entry WHERE user_id = $1 LIMIT 1) e", {id}) != 0;
    if (skip_) return;
    // A log without its account: the fork would have opened a new one.
    work_.tx.exec(
        "INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ($1, 0, 0, $2, $2) "
        "ON CONFLICT (user_id) DO NOTHING",
        {id, work_.options.now});
  }

  void take(std::int64_t after, const LogDetail& detail, Millis at) {
    if (!balance_) {
      balance_ = detail.amount ? after - *detail.amount : 0;
      if (*balance_ != 0) {
        insert_entry(work_.tx, {user_, "open", *balance_, *balance_, "balance before the log begins", at});
        ++opened_;
      }
    }
    const std::int64_t amount = after - *balance_;
    std::string reason = detail.desc;
    if (detail.amount && *detail.amount != amount) {
      reason += fmt::format(" (the log says {})", Credits::thousandths(*detail.amount).to_string());
      ++flagged_;
    }
    insert_entry(work_.tx, {user_, entry_kind(detail.desc, amount), amount, after, reason, at});
    balance_ = after;
    ++taken_;
  }

  void close() {
    if (!balance_ || skip_) return;
    const std::int64_t balance = work_.tx.number("SELECT balance FROM fg_credit_account WHERE user_id = $1", {user_});
    if (balance == *balance_) return;
    insert_entry(work_.tx, {user_, "adjust", balance - *balance_, balance, "closing adjustment: the log ends at another balance",
                            work_.options.now});
    ++closed_;
  }

  void report(std::int64_t rows) const {
    work_.say(source_.table(),
              {fmt::format("{} of {} entries are in the ledger; {} opening entries and {} closing adjustments make them add up.", taken_,
                           rows, opened_, closed_),
               fmt::format("{} / {} 条记录已进入账本，补充了 {} 条期初记录和 {} 条期末调整。", taken_, rows, opened_, closed_)},
              Level::info, rows, taken_);
    if (flagged_ != 0)
      work_.say(source_.table(), {fmt::format("{} entries name another amount than their balances differ by; the balances count.", flagged_),
                                  fmt::format("{} 条记录的金额与余额之差不符，以余额为准。", flagged_)}, Level::warning);
    if (left_out_ != 0)
      work_.say(source_.table(), {fmt::format("{} entries of users whose ledger had begun, or of nobody, were left out.", left_out_),
                                  fmt::format("{} 条记录属于已有账本的用户或没有用户，未接管。", left_out_)}, Level::warning);
  }

  Work& work_;
  Source source_;
  std::string user_;
  std::optional<std::int64_t> balance_;  // after the entry before; nullopt before the user's first
  bool skip_ = false;
  std::int64_t rows_seen_ = 0, taken_ = 0, left_out_ = 0, opened_ = 0, closed_ = 0, flagged_ = 0;
};

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

// ---- codes and tickets ----

void codes_over(Work& work, const std::string& legacy) {
  Source source(work.tx, legacy);
  const std::int64_t rows = source.rows();
  const int code = source.pick("code"), purpose = source.pick("purpose"), amount = source.pick("amount"), user = source.pick("user_id"),
            created = source.pick("created_at"), expires = source.pick("expired_at"), received = source.pick("received_at");
  std::int64_t taken = 0, left_out = 0;
  source.each("", [&](const OldRow& row) {
    const auto credits = thousandths_of(row[amount]);
    if (row.text(code).empty() || !credits) return void(++left_out);
    const auto inserted = work.tx.exec(
        "INSERT INTO fg_redemption_code (code, purpose, amount, user_id, created_at, expires_at, redeemed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (code) DO NOTHING",
        {row.text(code), row[purpose], *credits, row[user], time_of(row[created]).value_or(work.options.now), time_of(row[expires]),
         time_of(row[received])});
    (inserted != 0 ? taken : left_out) += 1;
  });
  check_count(legacy, rows, taken, left_out);
  mark_done(work, legacy, rows, taken);
  work.say(legacy, {fmt::format("{} of {} redemption codes were taken over.", taken, rows),
                    fmt::format("{} / {} 个兑换码已接管。", taken, rows)}, Level::info, rows, taken);
}

bool is_paid(const boost::json::value& detail) {
  const auto* object = detail.if_object();
  const auto* callback = object ? object->if_contains("callback") : nullptr;
  const auto* members = callback ? callback->if_object() : nullptr;
  const auto* status = members ? members->if_contains("trade_status") : nullptr;
  return status && status->is_string() && status->as_string() == "TRADE_SUCCESS";
}

void tickets_over(Work& work, const std::string& legacy) {
  Source source(work.tx, legacy);
  const std::int64_t rows = source.rows();
  const int id = source.pick("id"), user = source.pick("user_id"), amount = source.pick("amount"), detail = source.pick("detail"),
            created = source.pick("created_at");
  std::int64_t taken = 0, left_out = 0;
  source.each("", [&](const OldRow& row) {
    const auto money = thousandths_of(row[amount]);
    if (row.text(id).empty() || row.text(user).empty() || !money) return void(++left_out);
    const Millis made = time_of(row[created]).value_or(work.options.now);
    const bool paid = is_paid(json_of(row[detail]));  // when, the fork did not keep
    const auto inserted = work.tx.exec(
        "INSERT INTO fg_trade_ticket (id, user_id, amount, detail, paid_at, created_at) VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (id) DO NOTHING",
        {row.text(id), row.text(user), *money, row[detail], paid ? Param(made) : Param(nullptr), made});
    (inserted != 0 ? taken : left_out) += 1;
  });
  check_count(legacy, rows, taken, left_out);
  mark_done(work, legacy, rows, taken);
  work.say(legacy, {fmt::format("{} of {} payments were taken over.", taken, rows), fmt::format("{} / {} 笔支付已接管。", taken, rows)},
           Level::info, rows, taken);
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
  if (column.empty() || !has_column(tx, table, column)) return 0;
  return tx.number(fmt::format("SELECT COUNT(*) FROM {} WHERE {} <> 0", quoted_name(table), quoted_name(column)));
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
  for (const std::string& legacy : waiting(work.tx, "credit")) accounts_over(work, legacy);
  for (std::string& legacy : waiting(work.tx, "credit_log")) LogImport(work, std::move(legacy)).run();
  open_rest(work);
  for (const std::string& legacy : waiting(work.tx, "redemption_code")) codes_over(work, legacy);
  for (const std::string& legacy : waiting(work.tx, "trade_ticket")) tickets_over(work, legacy);
  set_others_aside(work);
  check_sums(work.tx);
}

void plan_credits(Tx& tx, Lines& lines) {
  for (const std::string& table : still_here(tx, "credit")) {
    const std::int64_t rows = Source(tx, table).rows();
    lines.push_back({table, {fmt::format("{} balances become accounts.", rows), fmt::format("{} 个余额将转为账户。", rows)}, Level::info,
                     rows, rows});
    lines.push_back({table, merge_rule()});
  }
  for (std::string_view name : {"credit_log", "redemption_code", "trade_ticket"})
    for (const std::string& table : still_here(tx, name)) {
      const std::int64_t rows = Source(tx, table).rows();
      lines.push_back({table, {fmt::format("{} rows are taken over.", rows), fmt::format("将接管 {} 行。", rows)}, Level::info, rows, rows});
    }
  for (const Other& other : kOthers)
    for (const std::string& table : still_here(tx, other.table))
      if (const std::int64_t rows = rows_with_balance(tx, table, other.column); rows != 0)
        lines.push_back({table, not_money(rows), Level::warning});
      else
        lines.push_back({table, {"Nobody's credits: it only gets another name.", "不是用户积分，仅更改表名。"}});
}

}  // namespace fluxgate::db::adopt

#include "db/adopt/ledger.h"

#include <set>

#include <fmt/format.h>

#include "base/ids.h"
#include "base/money.h"
#include "db/adopt/entries.h"
#include "db/adopt/sieve.h"
#include "db/adopt/source.h"
#include "db/introspect.h"
#include "db/post.h"

namespace fluxgate::db::adopt {
namespace {

bool has_ledger(Tx& tx, std::string_view user_id) {
  return tx.number("SELECT COUNT(*) FROM (SELECT 1 FROM fg_credit_entry WHERE user_id = $1 LIMIT 1) e", {user_id}) != 0;
}

// Of users whose ledger has begun, or of nobody.
void say_left_out(Lines& lines, const std::string& table, std::int64_t rows, const Named& users) {
  if (rows == 0) return;
  const std::string whose = users.count() == 0 ? "" : fmt::format(" ({})", users.list());
  lines.push_back({table,
                   {fmt::format("{} entries of users whose ledger has begun already, or of nobody, are left out{}.", rows, whose),
                    fmt::format("{} 条记录属于已有账本的用户或没有用户，不接管{}。", rows, whose)}, Level::warning});
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
           at_of(row[created]));
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
    skip_ = id.empty() || has_ledger(work_.tx, id);
    if (skip_ && !id.empty()) left_out_users_.add(id);
    if (skip_) return;
    // A log without its account: the fork would have opened a new one.
    work_.tx.exec(
        "INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ($1, 0, 0, $2, $2) "
        "ON CONFLICT (user_id) DO NOTHING",
        {id, work_.options.now});
    at_ = work_.tx.number("SELECT created_at FROM fg_credit_account WHERE user_id = $1", {id});
  }

  // Without a date it is as old as the entry before it, or as the account.
  Millis at_of(Cell created) {
    if (const auto known = time_of(created)) at_ = *known;
    else ++undated_;
    return at_;
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
    insert_entry(work_.tx, {user_, entry_kind(detail.desc, amount), amount, after, reason, at, detail.service, detail.task_id});
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
    if (undated_ != 0)
      work_.say(source_.table(), {fmt::format("{} entries have no date; they take that of the entry before, or of the account.", undated_),
                                  fmt::format("{} 条记录没有日期，沿用前一条记录或账户的日期。", undated_)}, Level::warning);
    say_left_out(work_.lines, source_.table(), left_out_, left_out_users_);
  }

  Work& work_;
  Source source_;
  std::string user_;
  std::optional<std::int64_t> balance_;  // after the entry before; nullopt before the user's first
  bool skip_ = false;
  Millis at_ = 0;
  Named left_out_users_;
  std::int64_t rows_seen_ = 0, taken_ = 0, left_out_ = 0, undated_ = 0, opened_ = 0, closed_ = 0, flagged_ = 0;
};

}  // namespace

// Of a task only what changed its price afterwards: a charge that names a task is one that was held before, and of taken-over
// tasks nothing was. One for each task.
void insert_entry(Tx& tx, const NewEntry& entry) {
  const bool about_task = entry.kind == "adjust" && !entry.old_task_id.empty() && !entry.provider.empty();
  const auto task = about_task ? tx.first("SELECT id FROM fg_task t WHERE legacy_id = $1 AND provider = $2 AND user_id = $3 AND NOT EXISTS "
                                          "(SELECT 1 FROM fg_credit_entry e WHERE e.task_id = t.id AND e.kind = $4)",
                                          {entry.old_task_id, entry.provider, entry.user_id, entry.kind}, [](const Row& row) { return row.str(0); })
                               : std::nullopt;
  post(tx,
      "INSERT INTO fg_credit_entry (id, user_id, kind, amount, balance_after, held_after, task_id, reason, created_at) "
      "VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8)",
      {new_id(entry.at), entry.user_id, entry.kind, entry.amount, entry.balance_after, task ? Param(*task) : Param(nullptr),
       entry.reason.empty() ? Param(nullptr) : Param(entry.reason), entry.at});
}

void log_over(Work& work) {
  for (std::string& legacy : waiting(work.tx, "credit_log")) LogImport(work, std::move(legacy)).run();
}

void plan_log(Tx& tx, Lines& lines) {
  std::set<std::string> begun;  // by the tables before
  const bool ours = has_column(tx, "fg_credit_entry", "user_id");
  for (const std::string& table : still_here(tx, "credit_log")) {
    const std::int64_t rows = Source(tx, table).rows();
    std::int64_t left_out = 0;
    Named left_out_users;
    std::set<std::string> begins;
    for (const auto& [user, count] : tx.all(fmt::format("SELECT COALESCE(CAST(user_id AS TEXT), ''), COUNT(*) FROM {} GROUP BY 1 ORDER BY 1",
                                                        quoted_name(table)),
                                            {}, [](const Row& row) { return std::pair(row.str(0), row.i64(1)); })) {
      if (!user.empty() && !begun.contains(user) && !(ours && has_ledger(tx, user))) {
        begins.insert(user);
        continue;
      }
      left_out += count;
      if (!user.empty()) left_out_users.add(user);
    }
    begun.merge(begins);
    lines.push_back({table, {fmt::format("{} entries go into the ledger.", rows - left_out), fmt::format("{} 条记录将进入账本。", rows - left_out)},
                     Level::info, rows, rows - left_out});
    say_left_out(lines, table, left_out, left_out_users);
  }
}

}  // namespace fluxgate::db::adopt

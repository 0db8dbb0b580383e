#include "db/adopt/keyed.h"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "db/adopt/sieve.h"
#include "db/adopt/source.h"
#include "db/post.h"

namespace fluxgate::db::adopt {
namespace {

// One old table on its way: planning only counts, and tells what there is to tell.
struct Sift {
  Tx& tx;
  Source source;
  Sieve& sieve;
  Lines& lines;
  Millis now = 0;
  bool writes = false;

  void warn(std::int64_t rows, std::string_view en, std::string_view zh) const {
    if (rows != 0) lines.push_back({source.table(), {fmt::format("{} {}", rows, en), fmt::format("{} {}", rows, zh)}, Level::warning});
  }
};

void accounts(Sift& sift) {
  const int user = sift.source.pick("user_id"), credit = sift.source.pick("credit"), created = sift.source.pick("created_at"),
            updated = sift.source.pick("updated_at");
  std::int64_t fractions = 0, negative = 0;
  Named unreadable;
  sift.source.each("", [&](const OldRow& row) {
    const std::string user_id = row.text(user);
    if (!sift.sieve.takes(user_id, Lack::nothing)) return;
    const auto known = thousandths_of(row[credit]);
    if (row[credit] && !known) unreadable.add(fmt::format("{} ({})", user_id, row.text(credit)));
    const std::int64_t balance = known.value_or(0);
    fractions += balance % 1000 != 0;
    negative += balance < 0;
    if (!sift.writes) return;
    const auto changed = time_of(row[updated]);
    const Millis made = time_of(row[created]).value_or(changed.value_or(sift.now));
    post(sift.tx, "INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ($1, $2, 0, $3, $4)",
         {user_id, balance, made, changed.value_or(made)});
  });
  sift.warn(fractions, "balances have fractions, which the old pages rounded away; the exact value counts.", "个余额带小数，旧页面会四舍五入，以精确值为准。");
  sift.warn(negative, "balances are negative; they stay so until they are topped up.", "个余额为负，充值前保持不变。");
  sift.warn(unreadable.count(), fmt::format("balances are no numbers below 10^15 and count as 0: {}.", unreadable.list()),
            fmt::format("个余额不是小于 10^15 的数字，按 0 计：{}。", unreadable.list()));
}

void codes(Sift& sift) {
  const int code = sift.source.pick("code"), purpose = sift.source.pick("purpose"), amount = sift.source.pick("amount"),
            user = sift.source.pick("user_id"), created = sift.source.pick("created_at"), expires = sift.source.pick("expired_at"),
            received = sift.source.pick("received_at");
  sift.source.each("", [&](const OldRow& row) {
    const auto credits = thousandths_of(row[amount]);
    if (!sift.sieve.takes(row.text(code), credits ? Lack::nothing : Lack::amount) || !sift.writes) return;
    const auto redeemed = time_of(row[received]);
    post(sift.tx,
         "INSERT INTO fg_redemption_code (code, purpose, amount, user_id, created_at, expires_at, redeemed_at) "
         "VALUES ($1, $2, $3, $4, $5, $6, $7)",
         {row.text(code), row[purpose], *credits, row[user], time_of(row[created]).value_or(redeemed.value_or(sift.now)),
          time_of(row[expires]), redeemed});
  });
}

bool is_paid(const boost::json::value& detail) {
  const auto* object = detail.if_object();
  const auto* callback = object ? object->if_contains("callback") : nullptr;
  const auto* members = callback ? callback->if_object() : nullptr;
  const auto* status = members ? members->if_contains("trade_status") : nullptr;
  return status && status->is_string() && status->as_string() == "TRADE_SUCCESS";
}

void tickets(Sift& sift) {
  const int id = sift.source.pick("id"), user = sift.source.pick("user_id"), amount = sift.source.pick("amount"),
            detail = sift.source.pick("detail"), created = sift.source.pick("created_at");
  sift.source.each("", [&](const OldRow& row) {
    const auto money = thousandths_of(row[amount]);
    const Lack lack = row.text(user).empty() ? Lack::user : !money ? Lack::amount : Lack::nothing;
    if (!sift.sieve.takes(row.text(id), lack) || !sift.writes) return;
    const Millis made = time_of(row[created]).value_or(sift.now);
    const bool paid = is_paid(json_of(row[detail]));  // when, the fork did not keep
    post(sift.tx, "INSERT INTO fg_trade_ticket (id, user_id, amount, detail, paid_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
         {row.text(id), row.text(user), *money, row[detail], paid ? Param(made) : Param(nullptr), made});
  });
}

struct Kind {
  std::string_view table, ours, key;
  bool secret;
  std::string_view en, zh;
  void (*sift)(Sift&);
};
constexpr Kind kKinds[] = {{"credit", "fg_credit_account", "user_id", false, "balances", "个余额", accounts},
                           {"redemption_code", "fg_redemption_code", "code", true, "redemption codes", "个兑换码", codes},
                           {"trade_ticket", "fg_trade_ticket", "id", false, "payments", "笔支付", tickets}};

const Kind& kind_of_table(std::string_view table) { return *std::ranges::find(kKinds, table, &Kind::table); }

}  // namespace

void keyed_over(Work& work, std::string_view table) {
  const Kind& kind = kind_of_table(table);
  Sieve sieve(work.tx, kind.ours, kind.key, kind.secret);
  for (const std::string& legacy : waiting(work.tx, table)) {
    Lines remarks;
    Sift sift{work.tx, Source(work.tx, legacy), sieve, remarks, work.options.now, true};
    const std::int64_t rows = sift.source.rows();
    kind.sift(sift);
    const std::int64_t taken = sieve.taken();
    check_count(legacy, rows, taken, sieve.left_out());
    mark_done(work, legacy, rows, taken);
    work.say(legacy, {fmt::format("{} of {} {} were taken over.", taken, rows, kind.en), fmt::format("{} / {} {}已接管。", taken, rows, kind.zh)},
             Level::info, rows, taken);
    sieve.tell(remarks, legacy);
    work.lines.insert(work.lines.end(), remarks.begin(), remarks.end());
  }
}

void plan_keyed(Tx& tx, std::string_view table, Lines& lines) {
  const Kind& kind = kind_of_table(table);
  Sieve sieve(tx, kind.ours, kind.key, kind.secret);
  for (const std::string& old : still_here(tx, table)) {
    Lines remarks;
    Sift sift{tx, Source(tx, old), sieve, remarks};
    const std::int64_t rows = sift.source.rows();
    kind.sift(sift);
    const std::int64_t taken = sieve.taken();
    lines.push_back({old, {fmt::format("{} {} are taken over.", taken, kind.en), fmt::format("将接管 {} {}。", taken, kind.zh)}, Level::info,
                     rows, taken});
    sieve.tell(remarks, old);
    lines.insert(lines.end(), remarks.begin(), remarks.end());
  }
}

}  // namespace fluxgate::db::adopt

#include "credits/ledger.h"

#include <fmt/format.h>

#include "base/ids.h"
#include "db/post.h"

namespace fluxgate::credits {
namespace {

constexpr std::string_view kColumns = "user_id, balance, held, created_at, updated_at";

Account read_account(const db::Row& row) {
  return {row.str(0), row.credits(1), row.credits(2), row.i64(3), row.i64(4)};
}

void write_entry(db::Tx& tx, std::string_view id, EntryKind kind, Credits amount, const Account& after,
                 std::string_view task_id, std::string_view actor_id, std::string_view reason, Millis now) {
  auto or_null = [](std::string_view text) { return text.empty() ? db::Param(nullptr) : db::Param(text); };
  db::post(tx,
      "INSERT INTO fg_credit_entry (id, user_id, kind, amount, balance_after, held_after, task_id, actor_id, "
      "reason, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
      {id, after.user_id, name(kind), amount, after.balance, after.held, or_null(task_id), or_null(actor_id),
       or_null(reason), now});
}

Error short_of(Credits needed, const Account& account) {
  return Error(Errc::insufficient_credits, "insufficient_credits",
               {fmt::format("This needs {} credits; {} are available.", needed.to_string(), account.available().to_string()),
                fmt::format("需要 {} 积分，可用 {} 积分。", needed.to_string(), account.available().to_string())})
      .with("needed", needed.as_number())
      .with("balance", account.available().as_number())
      .with("held", account.held.as_number());
}

Error no_account() {
  return Error(Errc::not_found, "account_not_found", {"This user has no credit account.", "该用户没有积分账户。"});
}

}  // namespace

std::string_view name(EntryKind kind) {
  switch (kind) {
    case EntryKind::open: return "open";
    case EntryKind::grant: return "grant";
    case EntryKind::hold: return "hold";
    case EntryKind::capture: return "capture";
    case EntryKind::release: return "release";
    case EntryKind::redeem: return "redeem";
    case EntryKind::adjust: return "adjust";
  }
  return "adjust";
}

Stamp make_stamp(Millis now) { return {now, new_id(now), new_id(now)}; }

void open_account(db::Tx& tx, std::string_view user_id, Credits opening, const Stamp& stamp) {
  auto opened = tx.first(
      "INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ($1, $2, 0, $3, $3) "
      "ON CONFLICT (user_id) DO NOTHING RETURNING user_id, balance, held, created_at, updated_at",
      {user_id, opening, stamp.now}, read_account);
  if (opened && opening != Credits{})
    write_entry(tx, stamp.entry_id, EntryKind::open, opening, *opened, {}, {}, {}, stamp.now);
}

std::optional<Account> find_account(db::Tx& tx, std::string_view user_id) {
  static const std::string sql = fmt::format("SELECT {} FROM fg_credit_account WHERE user_id = $1", kColumns);
  return tx.first(sql, {user_id}, read_account);
}

std::optional<Account> lock(db::Tx& tx, std::string_view user_id) {
  return tx.first(fmt::format("SELECT {} FROM fg_credit_account WHERE user_id = $1{}", kColumns, tx.for_update()), {user_id},
                  read_account);
}

Result<void> check_available(db::Tx& tx, std::string_view user_id, Credits amount) {
  const Account account = find_account(tx, user_id).value_or(Account{});
  if (account.available() < amount) return fail(short_of(amount, account));
  return {};
}

Result<Account> hold(db::Tx& tx, std::string_view user_id, std::string_view task_id, Credits amount,
                     const Stamp& stamp) {
  FLUX_ASSERT(amount >= Credits{});
  // The condition is in the UPDATE: two submits can never spend the same credit.
  auto held = tx.first(
      "UPDATE fg_credit_account SET held = held + $1, updated_at = $2 WHERE user_id = $3 AND balance - held >= $1 "
      "RETURNING user_id, balance, held, created_at, updated_at",
      {amount, stamp.now, user_id}, read_account);
  if (!held) {
    auto account = find_account(tx, user_id);
    return fail(short_of(amount, account.value_or(Account{})));
  }
  write_entry(tx, stamp.entry_id, EntryKind::hold, amount, *held, task_id, {}, {}, stamp.now);
  return *held;
}

Account settle(db::Tx& tx, std::string_view user_id, std::string_view task_id, Credits captured, const Stamp& stamp) {
  std::optional<Credits> amount;
  bool settled = false;
  tx.each("SELECT kind, amount FROM fg_credit_entry WHERE task_id = $1", {task_id}, [&](const db::Row& row) {
    if (row.text(0) == name(EntryKind::hold)) amount = row.credits(1);
    else settled = settled || row.text(0) == name(EntryKind::capture) || row.text(0) == name(EntryKind::release);
  });
  if (!amount || settled) return find_account(tx, user_id).value_or(Account{});
  FLUX_ASSERT(captured >= Credits{} && captured <= *amount);

  auto after = tx.first(
      "UPDATE fg_credit_account SET balance = balance - $1, held = held - $2, updated_at = $3 WHERE user_id = $4 "
      "RETURNING user_id, balance, held, created_at, updated_at",
      {captured, *amount, stamp.now, user_id}, read_account);
  FLUX_ASSERT(after.has_value());
  Credits released = *amount - captured;
  if (captured != Credits{}) {
    Account between = *after;
    between.held += released;
    write_entry(tx, stamp.entry_id, EntryKind::capture, -captured, between, task_id, {}, {}, stamp.now);
  }
  if (released != Credits{} || captured == Credits{})
    write_entry(tx, stamp.second_entry_id, EntryKind::release, -released, *after, task_id, {}, {}, stamp.now);
  return *after;
}

Result<Account> grant(db::Tx& tx, std::string_view user_id, Credits amount, std::string_view actor_id,
                      std::string_view reason, const Stamp& stamp) {
  auto after = tx.first(
      "UPDATE fg_credit_account SET balance = balance + $1, updated_at = $2 "
      "WHERE user_id = $3 AND ($1 >= 0 OR balance - held + $1 >= 0) "
      "RETURNING user_id, balance, held, created_at, updated_at",
      {amount, stamp.now, user_id}, read_account);
  if (!after) {
    auto account = find_account(tx, user_id);
    return account ? fail(short_of(-amount, *account)) : fail(no_account());
  }
  write_entry(tx, stamp.entry_id, EntryKind::grant, amount, *after, {}, actor_id, reason, stamp.now);
  return *after;
}

Result<Account> set_available(db::Tx& tx, std::string_view user_id, Credits target, std::string_view actor_id,
                              std::string_view reason, const Stamp& stamp) {
  auto account = lock(tx, user_id);
  if (!account) return fail(no_account());
  return grant(tx, user_id, target - account->available(), actor_id, reason, stamp);
}

std::vector<Entry> entries(db::Tx& tx, std::string_view user_id, int limit, std::string_view before) {
  return tx.all(
      "SELECT id, kind, amount, balance_after, held_after, task_id, actor_id, reason, created_at FROM fg_credit_entry "
      "WHERE user_id = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3",
      {user_id, before, limit}, [](const db::Row& row) {
        return Entry{row.str(0), row.str(1), row.credits(2), row.credits(3), row.credits(4),
                     row.str(5), row.str(6), row.str(7), row.i64(8)};
      });
}

}  // namespace fluxgate::credits

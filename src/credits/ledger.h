// Accounts and the append-only ledger. Money moves in two phases, inside the transaction of the task
// it belongs to: `hold` at submit, then `settle` once, which captures what was delivered and releases
// the rest (DESIGN §6). Everything here takes the caller's Tx and is repeatable: a task is held,
// captured and released at most once, by a unique index.
//
// balance counts holds in; what a user may spend, and what is shown to them, is balance − held.
// Lock order: the account row first.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/money.h"
#include "base/result.h"
#include "db/database.h"

namespace fluxgate::credits {

struct Account {
  std::string user_id;
  Credits balance;
  Credits held;
  Millis created_at = 0;
  Millis updated_at = 0;
  Credits available() const { return balance - held; }
};

enum class EntryKind { open, grant, hold, capture, release, redeem, adjust };
std::string_view name(EntryKind kind);

struct Entry {
  std::string id;
  std::string kind;
  Credits amount;         // of balance; of held for hold and release
  Credits balance_after;
  Credits held_after;
  std::string task_id, actor_id, reason;
  Millis created_at = 0;
};

// Who moves it, when, and the ids of the entries; made before the closure runs.
struct Stamp {
  Millis now = 0;
  std::string entry_id;
  std::string second_entry_id = {};
};
Stamp make_stamp(Millis now);

// Opens the account with `opening` credits unless it exists.
void open_account(db::Tx& tx, std::string_view user_id, Credits opening, const Stamp& stamp);

std::optional<Account> find_account(db::Tx& tx, std::string_view user_id);
// The same, and other writers of the account wait from here on.
std::optional<Account> lock(db::Tx& tx, std::string_view user_id);

// Whether `amount` could be held now: insufficient_credits as `hold`. For what holds in many parts.
Result<void> check_available(db::Tx& tx, std::string_view user_id, Credits amount);

// Sets `amount` aside for a task. insufficient_credits with needed, balance and held when short, also for
// users without an account (Open WebUI makes some beside us); then nothing has changed.
Result<Account> hold(db::Tx& tx, std::string_view user_id, std::string_view task_id, Credits amount, const Stamp& stamp);

// Ends the hold of a task: `captured` (≤ held amount) leaves the balance, the rest is free again.
// No effect when the task was settled before or never held.
Account settle(db::Tx& tx, std::string_view user_id, std::string_view task_id, Credits captured, const Stamp& stamp);

// Adds (or with a negative amount takes) credits by an admin's decision. Refuses to take more than is
// available: insufficient_credits.
Result<Account> grant(db::Tx& tx, std::string_view user_id, Credits amount, std::string_view actor_id,
                      std::string_view reason, const Stamp& stamp);
// Makes the available amount exactly `target`.
Result<Account> set_available(db::Tx& tx, std::string_view user_id, Credits target, std::string_view actor_id,
                              std::string_view reason, const Stamp& stamp);

// Newest first, at most `limit`, older than entry `before` when given.
std::vector<Entry> entries(db::Tx& tx, std::string_view user_id, int limit, std::string_view before = {});

// What disagrees between accounts, entries and tasks; empty when the books are right.
std::vector<std::string> audit(db::Tx& tx);

}  // namespace fluxgate::credits

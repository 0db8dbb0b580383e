// Users in Open WebUI's tables `user` and `auth` (spec/seed-db.md §14), with what is ours in `fg_user`.
// All functions work inside the caller's transaction and may be repeated.
//
// Those tables have no unique e-mail (Open WebUI's shape, where we add nothing), so an address is claimed
// in `fg_once` under "email:<address>" before it is written; that also holds between nodes. The first
// admin is the winner of "first_admin" in the same table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "db/database.h"
#include "identity/principal.h"

namespace fluxgate::identity {

struct User {
  std::string id;
  std::string name;
  std::string email;  // "" in accounts without one (phone accounts of the fork)
  Role role = Role::pending;
  std::string profile_image_url;
  std::int64_t created_at = 0, updated_at = 0, last_active_at = 0;  // seconds
  Millis tokens_valid_after = 0;                                    // tokens issued before have ended
};

// The words of the tables' text in `role`; anything unknown is pending.
Role role_of(std::string_view text);

struct NewUser {
  std::string id, name, email, password_hash, profile_image_url;
  Role role = Role::pending;
};

// The account under which `fluxgate generate` works on a node of its own. Nobody signs in with it.
inline constexpr std::string_view kLocalUser = "generate@localhost";

// Whether a sign-up may make the first admin, or the role is what an admin or operator said.
enum class FirstAdmin { wins, no };

// Inserts the account. bad_request `email_taken` when the address has one. With FirstAdmin::wins, the first
// account of a database without people (kLocalUser is none) becomes admin whatever `user.role` says.
Result<User> insert_user(db::Tx& tx, const NewUser& user, FirstAdmin first, Millis now);

std::optional<User> find_user(db::Tx& tx, std::string_view id);
// Until the transaction ends nobody else changes this user or what belongs to them: keys, documents.
void lock_user(db::Tx& tx, std::string_view id);
// `email` in lower case (lookup_email). The account stored just so, else the oldest whose address differs from it by
// capitals or spaces around it.
std::optional<User> find_user_by_email(db::Tx& tx, std::string_view email);

// A user with the stored hash; nullopt for the hash when the account has none or is not active.
struct Credentials {
  User user;
  std::optional<std::string> password_hash;
};
std::optional<Credentials> find_credentials_by_email(db::Tx& tx, std::string_view email);
std::optional<Credentials> find_credentials(db::Tx& tx, std::string_view user_id);

// The protected account: the winner of "first_admin" while it exists, else the oldest user. "" when empty.
std::string primary_admin_id(db::Tx& tx);

struct UserChange {
  std::optional<std::string> name, email, profile_image_url, password_hash;
  std::optional<Role> role;
};
// Changes what is set and differs. A new password, role or e-mail ends every token issued before `now`.
// not_found `user_not_found`; bad_request `email_taken`.
Result<User> change_user(db::Tx& tx, std::string_view id, const UserChange& change, Millis now);

// Replaces the hash if it is still `old_hash`, leaving tokens alone (same password, newer cost).
void refresh_hash(db::Tx& tx, std::string_view id, std::string_view old_hash, std::string_view new_hash);

// Ends every token issued before `now`; the new bound, which is above every earlier one.
Millis end_tokens(db::Tx& tx, std::string_view user_id, Millis now);

// Removes the account, its password and keys, and has its files removed (app/upkeep.h). Tasks and the ledger stay: they
// are the books.
void remove_user(db::Tx& tx, std::string_view id, Millis now);

struct UserQuery {
  std::string text;                     // part of name or e-mail, any case; "" = all
  std::string order_by = "created_at";  // name email created_at last_active_at updated_at role
  bool ascending = false;
  std::int64_t offset = 0;
  std::int64_t limit = 30;
};
bool is_user_order(std::string_view column);
struct UserPage {
  std::vector<User> users;
  std::int64_t total = 0;  // of those that match
};
UserPage list_users(db::Tx& tx, const UserQuery& query);
std::int64_t count_users(db::Tx& tx);

// The free JSON objects `settings` and `info` of a user: `{}` when absent.
enum class UserDocument { settings, info };
boost::json::object load_document(db::Tx& tx, std::string_view user_id, UserDocument which);
void store_document(db::Tx& tx, std::string_view user_id, UserDocument which,
                    const boost::json::object& value);

// Notes that users were seen; times only grow. `now` in milliseconds.
void touch_users(db::Tx& tx, const std::vector<std::string>& user_ids, Millis now);

Error user_not_found();
Error email_taken();

}  // namespace fluxgate::identity

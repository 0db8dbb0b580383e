// Who may come in: sign-up, sign-in, sessions, access keys, and the administration of accounts.
// DESIGN §8 "People"; spec/seed-api.md §12, §13; docs of the folder: README.md.
//
// Errors: unauthorized `not_authenticated` (nothing was sent), `token_invalid`, `session_expired` (its time
// is over, it was ended by a change of the account, or the account is gone); the rest stands beside each
// call. Infrastructure failures throw db::Failure.
//
// Thread-safe. Owns the thread that hashes passwords; lives longer than every coroutine that waits on it
// and shorter than the executors those run on.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/coro.h"
#include "base/result.h"
#include "db/database.h"
#include "identity/access_keys.h"
#include "identity/admin_settings.h"
#include "identity/attempt_limiter.h"
#include "identity/passwords.h"
#include "identity/principal.h"
#include "identity/token_cache.h"
#include "identity/tokens.h"
#include "identity/users.h"

namespace fluxgate::identity {

struct CheckedForm;  // checked_form.h

struct IdentityOptions {
  std::string session_secret;  // identity/secrets.h
  GivenSettings given;
  // bcrypt where Open WebUI reads `auth` too; hash_scheme_of() finds out.
  HashScheme scheme = HashScheme::argon2id;
  HashCost cost;
  // Runs in the transaction of every new account: opens its credit account. Same rules as a write closure.
  std::function<void(db::Tx&, const std::string& user_id, Millis now)> on_new_user;
  AttemptLimiter::Limits sign_in_limits;
};

// bcrypt when any account of the database has such a hash (Open WebUI made it and may still read it), else
// argon2id. Blocks; called at start.
HashScheme hash_scheme_of(db::Database& database);

struct SignUp {
  std::string name, email, password;
  std::string profile_image_url;  // "" = the default picture
};

// A user with a token of theirs.
struct Session {
  User user;
  std::string token;                 // "" for callers that came with an access key
  std::optional<Millis> expires_at;  // nullopt = never
};

// A new token for `user`, valid from now on; a lifetime of zero never ends.
Session start_session(User user, const Tokens& tokens, Millis now, std::chrono::milliseconds lifetime);

// Changes by an admin; unset members stay.
struct UserUpdate {
  std::optional<std::string> name, email, password, profile_image_url;
  std::optional<Role> role;
};

class Identity {
 public:
  Identity(db::Database& database, const Clock& clock, IdentityOptions options);
  ~Identity();
  // Lets hashing in progress end and its thread stop. Called after the servers have stopped.
  void stop();

  // forbidden `signup_disabled`, `email_domain`; bad_request `email_taken`; invalid for malformed members;
  // too_many_requests `sign_in_busy`. The first account of an empty database is admin.
  awaitable<Result<Session>> sign_up(SignUp form);
  // bad_request `invalid_credentials`, the same for an unknown e-mail; too_many_requests `sign_in_busy`,
  // `too_many_attempts` (per e-mail and address).
  awaitable<Result<Session>> sign_in(std::string email, std::string password, std::string address);

  // The caller behind a bearer token, cookie or access key. `path` matters for keys where an admin confined
  // them to some paths (forbidden `api_key_path`); forbidden `api_key_disabled` when keys are off.
  awaitable<Result<Principal>> authenticate(std::string token, std::string path);
  // The same without waiting, when the token was verified in the last five seconds.
  std::optional<Result<Principal>> remembered(std::string_view token, std::string_view path) const;

  // The session of a token that authenticate() accepted.
  awaitable<Result<Session>> session(std::string user_id, std::string token);

  // bad_request `wrong_password`; invalid; the same limits as sign_in. Ends every older token; the answer
  // carries a new one.
  awaitable<Result<Session>> change_password(std::string user_id, std::string current, std::string next);
  awaitable<Result<User>> update_profile(std::string user_id, std::string name,
                                         std::string profile_image_url);

  // Administration. `actor` is an admin, checked by the caller.
  awaitable<Result<Session>> add_user(SignUp form, Role role);
  awaitable<Result<User>> user(std::string user_id);  // not_found `user_not_found`
  awaitable<UserPage> list_users(UserQuery query);
  // forbidden `primary_admin` (only that account changes itself, and never its role).
  awaitable<Result<User>> update_user(Principal actor, std::string user_id, UserUpdate update);
  // forbidden `primary_admin`, `cannot_delete_self`; not_found `user_not_found`.
  awaitable<Result<void>> delete_user(Principal actor, std::string user_id);

  // Access keys of the caller. forbidden `api_key_disabled`.
  awaitable<Result<FreshKey>> create_key(std::string user_id, std::string name,
                                         std::optional<Millis> expires_at);
  struct Keys {
    std::vector<AccessKey> keys;
    bool imported = false;  // the column user.api_key holds one besides
  };
  awaitable<Result<Keys>> keys(std::string user_id);
  awaitable<Result<bool>> delete_key(std::string user_id, std::string key_id);
  awaitable<Result<bool>> delete_default_key(std::string user_id);

  // The user's own free documents. merge: members of `changes` replace those of the same name.
  static constexpr std::size_t kDocumentBytesMax = 256 * 1024;
  awaitable<boost::json::object> document(std::string user_id, UserDocument which);
  awaitable<Result<boost::json::object>> merge_document(std::string user_id, UserDocument which,
                                                        boost::json::object changes);

  awaitable<boost::json::object> stored_settings();
  awaitable<boost::json::object> admin_config();
  awaitable<Result<boost::json::object>> set_admin_config(boost::json::object wanted);
  // Name and e-mail of the admin to ask, when SHOW_ADMIN_DETAILS; else bad_request `not_shown`.
  awaitable<Result<User>> contact_admin();

  // Writes down who was seen since the last call (last_active_at, last_used_at). Called every half minute
  // by the server's timer, so that reading requests write nothing themselves.
  awaitable<void> flush_activity();

  const Tokens& tokens() const { return tokens_; }
  const GivenSettings& given() const { return options_.given; }

 private:
  awaitable<Result<Session>> insert(CheckedForm form, AccountSettings settings, Role role, FirstAdmin first);
  awaitable<Result<bool>> attempt(std::string key, std::string password, std::optional<std::string> stored);
  awaitable<Result<Principal>> authenticate_session(std::string token);
  awaitable<Result<Principal>> authenticate_key(std::string token, std::string path);
  void seen(const std::string& user_id, const std::string& key_id);

  db::Database& database_;
  const Clock& clock_;
  IdentityOptions options_;
  Tokens tokens_;
  TokenCache cache_;
  AttemptLimiter attempts_;
  HashPool hashes_;
  std::mutex seen_mutex_;
  std::set<std::string> seen_users_, seen_keys_;  // under seen_mutex_
};

}  // namespace fluxgate::identity

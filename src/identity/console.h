// Accounts from the command line (`fluxgate user …`), beside a running server or without one. Blocks; needs
// no session secret except for tokens. A running server follows within five seconds.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "identity/identity.h"

namespace fluxgate::identity {

class Console {
 public:
  struct Options {
    HashScheme scheme = HashScheme::argon2id;  // hash_scheme_of()
    HashCost cost;
    std::function<void(db::Tx&, const std::string& user_id, Millis now)> on_new_user;
  };
  Console(db::Database& database, const Clock& clock, Options options);

  // Without a role: user, or admin when it is the first account.
  Result<User> add(const SignUp& form, std::optional<Role> role);
  // `who` is an e-mail or an id, here and below. not_found `user_not_found`.
  Result<User> find(std::string_view who);
  UserPage list(const UserQuery& query);
  // Ends every session of the user.
  Result<User> set_password(std::string_view who, std::string_view password);
  Result<User> set_role(std::string_view who, Role role);
  // A session token; a lifetime of zero never ends.
  Result<Session> token(std::string_view who, const Tokens& tokens, std::chrono::milliseconds lifetime);

 private:
  Result<User> change(std::string_view who, const UserChange& change);
  int byte_limit() const;

  db::Database& database_;
  const Clock& clock_;
  Options options_;
};

}  // namespace fluxgate::identity

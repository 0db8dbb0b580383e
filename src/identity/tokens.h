// Session tokens: JSON Web Tokens signed with HS256 (RFC 7519, RFC 7515) under WEBUI_SECRET_KEY, by
// libjwt. The claims are `id` (the user), `iat`, `jti` and, unless sessions never end, `exp`. Open WebUI
// under the same secret accepts ours and we accept its own, which may lack `iat` and `jti`
// (spec/seed-api.md §12.1).
//
// `iat` carries milliseconds as a fraction (RFC 7519 §2 allows it): a password change and the sign-in
// that follows often fall into one second, and the first must end older tokens without ending that one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace fluxgate::identity {

struct TokenClaims {
  std::string user_id;
  std::optional<Millis> issued_at;   // absent in tokens of Open WebUI
  std::optional<Millis> expires_at;  // absent = never
  std::string token_id;              // "" when absent
};

// Longer texts are no token of ours and are not looked at.
inline constexpr std::size_t kTokenBytesMax = 4096;

// Immutable, thread-safe.
class Tokens {
 public:
  explicit Tokens(std::string secret);

  std::string issue(const TokenClaims& claims) const;

  // unauthorized: `session_expired` after `exp`, `token_invalid` for everything else: another key or
  // algorithm (also "none"), claims of the wrong type, a time of issue more than a minute ahead.
  Result<TokenClaims> verify(std::string_view token, Millis now) const;

 private:
  std::string secret_;
};

}  // namespace fluxgate::identity

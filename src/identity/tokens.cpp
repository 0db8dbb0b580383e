#include "identity/tokens.h"

#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include <jwt.h>

namespace fluxgate::identity {
namespace {

// How far another node's clock may be ahead of ours.
constexpr Millis kClockSkew = 60'000;

struct JwtDeleter {
  void operator()(jwt_t* token) const { jwt_free(token); }
};
using Jwt = std::unique_ptr<jwt_t, JwtDeleter>;
struct FreeDeleter {
  void operator()(char* text) const { std::free(text); }
};
using JwtText = std::unique_ptr<char, FreeDeleter>;

const unsigned char* key_of(const std::string& secret) {
  return reinterpret_cast<const unsigned char*>(secret.data());
}

std::unexpected<Error> refused(std::string_view why) {
  return fail(Error(Errc::unauthorized, "token_invalid",
                    {"The session token is not valid. Sign in again.", "登录凭证无效,请重新登录。"})
                  .log(std::string(why)));
}

bool is_token_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

// A NumericDate: seconds, whole or not. nullopt when it is no number or out of all bounds.
std::optional<Millis> numeric_date(const boost::json::value& value) {
  double seconds = 0;
  if (value.is_int64())
    seconds = static_cast<double>(value.as_int64());
  else if (value.is_double())
    seconds = value.as_double();
  else
    return std::nullopt;
  if (!(seconds >= 0 && seconds < 1e12)) return std::nullopt;
  return static_cast<Millis>(std::llround(seconds * 1000.0));
}

Result<TokenClaims> read_claims(const boost::json::object& grants) {
  TokenClaims claims;
  const auto* id = grants.if_contains("id");
  if (id == nullptr || !id->is_string() || id->as_string().empty()) return refused("no id");
  claims.user_id = id->as_string();
  if (const auto* jti = grants.if_contains("jti"); jti != nullptr && jti->is_string())
    claims.token_id = jti->as_string();
  if (const auto* iat = grants.if_contains("iat")) {
    claims.issued_at = numeric_date(*iat);
    if (!claims.issued_at) return refused("iat is no time");
  }
  if (const auto* exp = grants.if_contains("exp")) {
    claims.expires_at = numeric_date(*exp);
    if (!claims.expires_at) return refused("exp is no time");
  }
  return claims;
}

}  // namespace

Tokens::Tokens(std::string secret) : secret_(std::move(secret)) { FLUX_ASSERT(!secret_.empty()); }

std::string Tokens::issue(const TokenClaims& claims) const {
  boost::json::object grants{{"id", claims.user_id}, {"jti", claims.token_id}};
  if (claims.issued_at) grants["iat"] = static_cast<double>(*claims.issued_at) / 1000.0;
  // Whole seconds, as other readers of this claim expect.
  if (claims.expires_at) grants["exp"] = (*claims.expires_at + 999) / 1000;

  jwt_t* raw = nullptr;
  if (jwt_new(&raw) != 0) throw std::runtime_error("libjwt cannot make a token");
  const Jwt token(raw);
  if (jwt_add_grants_json(token.get(), boost::json::serialize(grants).c_str()) != 0 ||
      jwt_set_alg(token.get(), JWT_ALG_HS256, key_of(secret_), static_cast<int>(secret_.size())) != 0)
    throw std::runtime_error("libjwt cannot fill a token");
  const JwtText text(jwt_encode_str(token.get()));
  if (!text) throw std::runtime_error("libjwt cannot sign a token");
  return text.get();
}

Result<TokenClaims> Tokens::verify(std::string_view token, Millis now) const {
  if (token.empty() || token.size() > kTokenBytesMax || !is_token_text(token)) return refused("no token");
  jwt_t* raw = nullptr;
  const std::string copy(token);
  if (jwt_decode(&raw, copy.c_str(), key_of(secret_), static_cast<int>(secret_.size())) != 0)
    return refused("signature");
  const Jwt decoded(raw);
  // libjwt takes the algorithm from the token's own header; ours is the only one we ever sign with.
  if (jwt_get_alg(decoded.get()) != JWT_ALG_HS256) return refused("algorithm");
  if (const JwtText critical(jwt_get_headers_json(decoded.get(), "crit")); critical)
    return refused("critical extensions");  // RFC 7515 §4.1.11
  const JwtText grants(jwt_get_grants_json(decoded.get(), nullptr));
  boost::system::error_code broken;
  const auto value = boost::json::parse(grants ? grants.get() : "", broken);
  if (broken || !value.is_object()) return refused("claims");

  FLUX_TRY(claims, read_claims(value.as_object()));
  if (claims.issued_at && *claims.issued_at > now + kClockSkew) return refused("issued in the future");
  if (claims.expires_at && *claims.expires_at <= now)
    return fail(Errc::unauthorized, "session_expired",
                {"The session has expired. Sign in again.", "登录已过期,请重新登录。"});
  return claims;
}

}  // namespace fluxgate::identity

// Coming in: sign-up, sign-in, sessions and keys. The rest of Identity is in accounts.cpp.
#include "identity/identity.h"

#include "base/ids.h"
#include "identity/checked_form.h"
#include "identity/input.h"

namespace fluxgate::identity {
namespace {

constexpr std::size_t kSeenLimit = 100'000;

std::unexpected<Error> not_authenticated() {
  return fail(Errc::unauthorized, "not_authenticated", {"Not authenticated.", "未登录。"});
}
std::unexpected<Error> session_expired() {
  return fail(Errc::unauthorized, "session_expired",
              {"The session has ended. Sign in again.", "登录已失效,请重新登录。"});
}
std::unexpected<Error> invalid_credentials() {
  return fail(Errc::bad_request, "invalid_credentials",
              {"E-mail or password is wrong.", "邮箱或密码不正确。"});
}

Principal principal_of(const User& user) {
  Principal principal;
  principal.user_id = user.id;
  principal.name = user.name;
  principal.email = user.email;
  principal.role = user.role;
  return principal;
}

// Open WebUI's tokens may say no time of issue: good only while nothing ever ended this user's tokens.
bool still_valid(const TokenClaims& claims, const User& user) {
  return claims.issued_at ? *claims.issued_at >= user.tokens_valid_after : user.tokens_valid_after == 0;
}

bool path_allowed(const Proof& proof, std::string_view path) {
  if (!proof.only_paths) return true;
  return std::ranges::any_of(*proof.only_paths, [path](std::string_view allowed) {
    while (allowed.ends_with('/')) allowed.remove_suffix(1);
    return path == allowed || (path.starts_with(allowed) && path[allowed.size()] == '/');
  });
}

Result<Principal> admit(const Proof& proof, std::string_view path) {
  if (path_allowed(proof, path)) return proof.principal;
  return fail(Errc::forbidden, "api_key_path",
              {"Access keys may not be used for this address.", "访问密钥不能用于此地址。"});
}

bool domain_allowed(const AccountSettings& settings, std::string_view email) {
  if (settings.email_domains.empty()) return true;
  const std::string_view domain = email.substr(email.rfind('@') + 1);
  return std::ranges::find(settings.email_domains, domain) != settings.email_domains.end();
}

Result<void> sign_up_allowed(const AccountSettings& settings, std::string_view email) {
  if (!settings.enable_signup || !settings.enable_login_form)
    return fail(
        Errc::forbidden, "signup_disabled",
        {"Sign-up is switched off. Ask an administrator for an account.", "注册已关闭,请联系管理员。"});
  if (!domain_allowed(settings, email))
    return fail(Errc::forbidden, "email_domain",
                {"Sign-up is open to certain e-mail domains only.", "仅允许特定域名的邮箱注册。"});
  return {};
}

}  // namespace

HashScheme hash_scheme_of(db::Database& database) {
  const auto foreign = database.read_now([](db::Tx& tx) {
    return tx.number("SELECT COUNT(*) FROM (SELECT 1 FROM auth WHERE password LIKE '$2_$%' LIMIT 1) AS one");
  });
  return foreign != 0 ? HashScheme::bcrypt : HashScheme::argon2id;
}

Identity::Identity(db::Database& database, const Clock& clock, IdentityOptions options)
    : database_(database),
      clock_(clock),
      options_(std::move(options)),
      tokens_(options_.session_secret),
      attempts_(options_.sign_in_limits),
      hashes_(options_.scheme, options_.cost) {}

Identity::~Identity() = default;

void Identity::stop() { hashes_.stop(); }

Result<CheckedForm> check_form(const SignUp& form, int password_byte_limit) {
  FLUX_TRY(name, clean_name(form.name));
  FLUX_TRY(email, clean_email(form.email));
  FLUX_TRY(picture, clean_picture(form.profile_image_url));
  FLUX_CHECK(check_password(form.password, "password", password_byte_limit));
  return CheckedForm{std::move(name), std::move(email), std::move(picture), form.password};
}

Session start_session(User user, const Tokens& tokens, Millis now, std::chrono::milliseconds lifetime) {
  TokenClaims claims;
  claims.user_id = user.id;
  // A clock behind the node that ended the tokens must not make one that is dead at once.
  claims.issued_at = std::max(now, user.tokens_valid_after);
  if (lifetime.count() > 0) claims.expires_at = *claims.issued_at + lifetime.count();
  claims.token_id = new_id(*claims.issued_at);
  std::string token = tokens.issue(claims);
  return Session{std::move(user), std::move(token), claims.expires_at};
}

awaitable<Result<Session>> Identity::insert(CheckedForm form, AccountSettings settings, Role role,
                                            FirstAdmin first) {
  auto hashed = co_await hashes_.hash(std::move(form.password));
  FLUX_CO_TRY(hash, std::move(hashed));
  const Millis now = clock_.now_ms();
  NewUser fresh{new_id(now), form.name, form.email, hash, form.picture, role};
  auto inserted = co_await database_.write(
      [fresh = std::move(fresh), first, now, hook = options_.on_new_user](db::Tx& tx) -> Result<User> {
        FLUX_TRY(user, insert_user(tx, fresh, first, now));
        if (hook) hook(tx, user.id, now);
        return user;
      });
  FLUX_CO_TRY(user, std::move(inserted));
  co_return start_session(std::move(user), tokens_, now, settings.session_lifetime);
}

awaitable<Result<Session>> Identity::sign_up(SignUp form) {
  FLUX_CO_TRY(checked, check_form(form, hashes_.byte_limit()));
  // Refused before the costly hash where it can be; the insert decides again.
  auto ready = co_await database_.read(
      [email = checked.email, given = options_.given](db::Tx& tx) -> Result<AccountSettings> {
        auto settings = account_settings(load_settings(tx), given);
        FLUX_CHECK(sign_up_allowed(settings, email));
        if (find_user_by_email(tx, email)) return fail(email_taken());
        return settings;
      });
  FLUX_CO_TRY(settings, std::move(ready));
  auto session = co_await insert(std::move(checked), settings, settings.default_role, FirstAdmin::wins);
  co_return session;
}

awaitable<Result<Session>> Identity::add_user(SignUp form, Role role) {
  FLUX_CO_TRY(checked, check_form(form, hashes_.byte_limit()));
  auto ready = co_await database_.read(
      [email = checked.email, given = options_.given](db::Tx& tx) -> Result<AccountSettings> {
        if (find_user_by_email(tx, email)) return fail(email_taken());
        return account_settings(load_settings(tx), given);
      });
  FLUX_CO_TRY(settings, std::move(ready));
  auto session = co_await insert(std::move(checked), settings, role, FirstAdmin::no);
  co_return session;
}

awaitable<Result<bool>> Identity::attempt(std::string key, std::string password,
                                          std::optional<std::string> stored) {
  FLUX_CO_CHECK(attempts_.begin(key, clock_.now_ms()));
  auto verified = co_await hashes_.verify(std::move(password), std::move(stored));
  if (!verified)
    attempts_.undo(key);
  else if (*verified)
    attempts_.forgive(key);
  co_return verified;
}

awaitable<Result<Session>> Identity::sign_in(std::string email, std::string password, std::string address) {
  const std::string key = fmt::format("{} {}", lookup_email(email), address);
  if (lookup_email(email).empty()) co_return invalid_credentials();
  struct Found {
    std::optional<Credentials> credentials;
    AccountSettings settings;
  };
  auto found = co_await database_.read([email = lookup_email(email), given = options_.given](db::Tx& tx) {
    return Found{find_credentials_by_email(tx, email), account_settings(load_settings(tx), given)};
  });
  std::optional<std::string> stored;
  if (found.credentials) stored = found.credentials->password_hash;
  auto attempted = co_await attempt(key, password, stored);
  FLUX_CO_TRY(right, std::move(attempted));
  if (!right) co_return invalid_credentials();

  User user = std::move(found.credentials->user);
  if (needs_rehash(*stored, hashes_.cost())) {
    // Costs changed since; a full queue is no reason to refuse someone who is already in.
    if (auto hash = co_await hashes_.hash(std::move(password)); hash)
      co_await database_.write([id = user.id, old = *stored, fresh = std::move(*hash)](db::Tx& tx) {
        refresh_hash(tx, id, old, fresh);
      });
  }
  seen(user.id, "");
  co_return start_session(std::move(user), tokens_, clock_.now_ms(), found.settings.session_lifetime);
}

std::optional<Result<Principal>> Identity::remembered(std::string_view token, std::string_view path) const {
  const auto proof = cache_.find(token, clock_.now_ms());
  if (!proof) return std::nullopt;
  return admit(*proof, path);
}

awaitable<Result<Principal>> Identity::authenticate(std::string token, std::string path) {
  if (auto known = remembered(token, path)) co_return std::move(*known);
  if (token.empty()) co_return not_authenticated();
  if (looks_like_key(token)) {
    auto principal = co_await authenticate_key(std::move(token), std::move(path));
    co_return principal;
  }
  auto principal = co_await authenticate_session(std::move(token));
  co_return principal;
}

awaitable<Result<Principal>> Identity::authenticate_session(std::string token) {
  const Millis now = clock_.now_ms();
  const auto generation = cache_.generation();
  FLUX_CO_TRY(claims, tokens_.verify(token, now));
  auto user = co_await database_.read([id = claims.user_id](db::Tx& tx) { return find_user(tx, id); });
  if (!user || !still_valid(claims, *user)) co_return session_expired();
  const Principal principal = principal_of(*user);
  cache_.put(token, Proof{principal, nullptr}, now, claims.expires_at, generation);
  seen(user->id, "");
  co_return principal;
}

awaitable<Result<Principal>> Identity::authenticate_key(std::string token, std::string path) {
  const Millis now = clock_.now_ms();
  const auto generation = cache_.generation();
  struct Found {
    std::optional<KeyOwner> owner;
    AccountSettings settings;
  };
  auto found = co_await database_.read([token, now, given = options_.given](db::Tx& tx) {
    return Found{find_key_owner(tx, token, now), account_settings(load_settings(tx), given)};
  });
  if (!found.owner)
    co_return fail(Errc::unauthorized, "token_invalid", {"This access key is not valid.", "访问密钥无效。"});
  if (!found.settings.enable_api_key) co_return fail(api_key_disabled());
  Proof proof{principal_of(found.owner->user), nullptr};
  if (found.settings.key_paths)
    proof.only_paths = std::make_shared<const std::vector<std::string>>(std::move(*found.settings.key_paths));
  auto admitted = admit(proof, path);
  cache_.put(token, std::move(proof), now, found.owner->expires_at, generation);
  seen(found.owner->user.id, found.owner->key_id);
  co_return admitted;
}

awaitable<Result<Session>> Identity::session(std::string user_id, std::string token) {
  auto found = co_await user(std::move(user_id));
  FLUX_CO_TRY(known, std::move(found));
  Session answer{std::move(known), "", std::nullopt};
  if (!looks_like_key(token)) {
    FLUX_CO_TRY(claims, tokens_.verify(token, clock_.now_ms()));
    answer.token = std::move(token);
    answer.expires_at = claims.expires_at;
  }
  co_return answer;
}

void Identity::seen(const std::string& user_id, const std::string& key_id) {
  const std::lock_guard lock(seen_mutex_);
  if (seen_users_.size() < kSeenLimit) seen_users_.insert(user_id);
  if (!key_id.empty() && seen_keys_.size() < kSeenLimit) seen_keys_.insert(key_id);
}

awaitable<void> Identity::flush_activity() {
  std::vector<std::string> users, keys;
  {
    const std::lock_guard lock(seen_mutex_);
    users.assign(seen_users_.begin(), seen_users_.end());
    keys.assign(seen_keys_.begin(), seen_keys_.end());
    seen_users_.clear();
    seen_keys_.clear();
  }
  if (users.empty()) co_return;
  const Millis now = clock_.now_ms();
  co_await database_.write([users = std::move(users), keys = std::move(keys), now](db::Tx& tx) {
    touch_users(tx, users, now);
    touch_keys(tx, keys, now);
  });
}

}  // namespace fluxgate::identity

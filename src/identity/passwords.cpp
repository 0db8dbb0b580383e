#include "identity/passwords.h"

#include <stdexcept>

#include <crypt.h>
#include <sodium.h>

#include "base/crypto.h"
#include "identity/input.h"

namespace fluxgate::identity {
namespace {

bool is_argon2(std::string_view stored) { return stored.starts_with("$argon2"); }

// "$2b$12$" + 22 characters of salt + 31 of hash.
bool is_bcrypt(std::string_view stored) {
  if (stored.size() != 60 || stored[0] != '$' || stored[1] != '2' || stored[3] != '$' || stored[6] != '$')
    return false;
  if (stored[2] != 'a' && stored[2] != 'b' && stored[2] != 'y') return false;
  if (stored[4] < '0' || stored[4] > '1' || stored[5] < '0' || stored[5] > '9') return false;
  const int rounds = (stored[4] - '0') * 10 + (stored[5] - '0');
  return rounds >= 4 && rounds <= 16;
}

// libxcrypt's answer, "" when it refuses. The working area is 32 KiB and is wiped after use.
std::string crypt_text(std::string_view password, const std::string& setting) {
  auto area = std::make_unique<crypt_data>();
  std::string phrase(password.substr(0, kBcryptBytesMax));
  const char* answer = crypt_r(phrase.c_str(), setting.c_str(), area.get());
  std::string text = answer != nullptr && answer[0] == '$' ? answer : "";
  sodium_memzero(area.get(), sizeof *area);
  sodium_memzero(phrase.data(), phrase.size());
  return text;
}

std::string hash_bcrypt(std::string_view password, int rounds) {
  const std::string salt = crypto::random_bytes(16);
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  if (crypt_gensalt_rn("$2b$", static_cast<unsigned long>(rounds), salt.data(), static_cast<int>(salt.size()),
                       setting, sizeof setting) == nullptr)
    throw std::runtime_error("libcrypt cannot make a bcrypt salt");
  std::string text = crypt_text(password, setting);
  if (text.empty()) throw std::runtime_error("libcrypt cannot make a bcrypt hash");
  return text;
}

std::string hash_argon2id(std::string_view password, const HashCost& cost) {
  char text[crypto_pwhash_STRBYTES];
  if (crypto_pwhash_str_alg(text, password.data(), password.size(), cost.argon2_passes, cost.argon2_bytes,
                            crypto_pwhash_ALG_ARGON2ID13) != 0)
    throw std::runtime_error("not enough memory to hash a password");
  return text;
}

Error busy() {
  return Error(Errc::too_many_requests, "sign_in_busy",
               {"Too many people are signing in at this moment. Try again in a second.",
                "当前登录人数过多,请稍后再试。"})
      .retry_after(1);
}

}  // namespace

std::string hash_password(std::string_view password, HashScheme scheme, const HashCost& cost) {
  return scheme == HashScheme::argon2id ? hash_argon2id(password, cost)
                                        : hash_bcrypt(password, cost.bcrypt_rounds);
}

bool is_verifiable(const std::string& stored) { return is_argon2(stored) || is_bcrypt(stored); }

bool verify_password(std::string_view password, const std::string& stored) {
  if (password.size() > static_cast<std::size_t>(kPasswordBytesMax)) return false;
  if (is_argon2(stored))
    return crypto_pwhash_str_verify(stored.c_str(), password.data(), password.size()) == 0;
  // crypt() would stop at a zero byte and accept what follows it.
  if (!is_bcrypt(stored) || password.find('\0') != std::string_view::npos) return false;
  const std::string answer = crypt_text(password, stored);
  return !answer.empty() && crypto::equal_constant_time(answer, stored);
}

bool needs_rehash(const std::string& stored, const HashCost& cost) {
  return is_argon2(stored) &&
         crypto_pwhash_str_needs_rehash(stored.c_str(), cost.argon2_passes, cost.argon2_bytes) != 0;
}

HashPool::HashPool(HashScheme scheme, HashCost cost, int queue_limit)
    : scheme_(scheme), cost_(cost), worker_(queue_limit) {
  // Made ahead, so that not even the first unknown e-mail takes longer; start-up does not wait for it.
  worker_.prepare([stand_in = stand_in_, scheme, cost] {
    *stand_in = hash_password(crypto::random_hex(16), scheme, cost);
  });
}

int HashPool::byte_limit() const {
  return scheme_ == HashScheme::bcrypt ? kBcryptBytesMax : kPasswordBytesMax;
}

awaitable<Result<std::string>> HashPool::hash(std::string password) {
  auto answer = std::make_shared<std::string>();
  std::function<void()> work = [answer, password = std::move(password), scheme = scheme_, cost = cost_] {
    *answer = hash_password(password, scheme, cost);
  };
  const bool done = co_await worker_.run(std::move(work));
  if (!done) co_return fail(busy());
  co_return std::move(*answer);
}

awaitable<Result<bool>> HashPool::verify(std::string password, std::optional<std::string> stored) {
  auto answer = std::make_shared<bool>(false);
  std::function<void()> work = [answer, password = std::move(password), stored = std::move(stored),
                                stand_in = stand_in_] {
    const bool real = stored && is_verifiable(*stored);
    const bool equal = verify_password(password, real ? *stored : *stand_in);
    *answer = real && equal;
  };
  const bool done = co_await worker_.run(std::move(work));
  if (!done) co_return fail(busy());
  co_return *answer;
}

}  // namespace fluxgate::identity

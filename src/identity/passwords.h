// Password hashes: argon2id (libsodium, RFC 9106) in databases we made; bcrypt (libxcrypt) is verified
// always and written where Open WebUI shares the table `auth` and must read what we store
// (DESIGN §8, spec/seed-db.md §14.2).
//
// Hashing is slow and hungry by intent, so the server does it in a HashPool: one thread, a short queue,
// and a refusal beyond it. The plain functions block and are for that pool and for command line tools.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/coro.h"
#include "base/result.h"
#include "identity/bounded_worker.h"

namespace fluxgate::identity {

enum class HashScheme { argon2id, bcrypt };

struct HashCost {
  // OWASP's first choice for argon2id: 19 MiB, two passes, one lane. About 25 ms of one core; small
  // enough that a sign-in does not double the server's memory.
  unsigned long long argon2_passes = 2;
  std::size_t argon2_bytes = 19 * 1024 * 1024;
  int bcrypt_rounds = 12;  // 2^12, as Open WebUI writes them
};

// bcrypt reads this many bytes and ignores the rest.
inline constexpr int kBcryptBytesMax = 72;

// Throws std::runtime_error when the memory cannot be had.
std::string hash_password(std::string_view password, HashScheme scheme, const HashCost& cost);

// True when `password` is the one `stored` was made from. Anything that is no argon2 or bcrypt hash (the
// bare UUIDs of LDAP accounts, an empty text) matches nothing. bcrypt hashes of more than 2^16 rounds
// are refused: they would occupy the pool for minutes.
bool verify_password(std::string_view password, const std::string& stored);
// True when verify_password would really compute something for this text.
bool is_verifiable(const std::string& stored);
// True for an argon2 hash of other costs than `cost`.
bool needs_rehash(const std::string& stored, const HashCost& cost);

// The thread that hashes, with at most `queue_limit` callers waiting behind the one at work.
// Thread-safe; lifetime as BoundedWorker.
class HashPool {
 public:
  static constexpr int kQueueLimit = 8;

  HashPool(HashScheme scheme, HashCost cost, int queue_limit = kQueueLimit);
  void stop() { worker_.stop(); }

  HashScheme scheme() const { return scheme_; }
  const HashCost& cost() const { return cost_; }
  // The most bytes a new password may have under this scheme.
  int byte_limit() const;

  // Both refuse with too_many_requests, code `sign_in_busy`, when the queue is full.
  awaitable<Result<std::string>> hash(std::string password);
  // Takes as long for a missing or unverifiable `stored` as for a real one, so that an answer's time
  // does not tell whether an account exists.
  awaitable<Result<bool>> verify(std::string password, std::optional<std::string> stored);

 private:
  HashScheme scheme_;
  HashCost cost_;
  // A hash nobody's password gives, for accounts that do not exist. Touched on the worker's thread only.
  std::shared_ptr<std::string> stand_in_ = std::make_shared<std::string>();
  BoundedWorker worker_;
};

}  // namespace fluxgate::identity

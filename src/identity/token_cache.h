// Verified tokens and keys for at most five seconds, so that a signed-in request costs neither
// cryptography nor a database read (DESIGN §8, §9). The bound is also how soon a change of password,
// role or account reaches other nodes; on this node `forget` makes it immediate.
//
// Thread-safe: sharded by hash of the token, one short lock each. Bounded: a full shard drops what has
// run out, or, when nothing has, everything.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "identity/principal.h"

namespace fluxgate::identity {

// What a token or key proved.
struct Proof {
  Principal principal;
  // Path prefixes the caller is confined to (API keys under endpoint restrictions); null = none.
  std::shared_ptr<const std::vector<std::string>> only_paths;
};

class TokenCache {
 public:
  static constexpr Millis kLifetime = 5'000;
  static constexpr std::size_t kShards = 16;
  static constexpr std::size_t kShardLimit = 2'048;

  std::optional<Proof> find(std::string_view token, Millis now) const;

  // Taken before the database is read and given back with the answer: a `forget` in between makes
  // `put` refuse what may be old.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  // Kept until now + kLifetime, or until the token's own end if that is sooner.
  void put(std::string_view token, Proof proof, Millis now, std::optional<Millis> token_ends,
           std::uint64_t generation);

  void forget(std::string_view user_id);
  void forget_all();
  std::size_t size() const;

 private:
  struct Entry {
    Proof proof;
    Millis until = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries;  // under mutex
  };
  const Shard& shard_of(std::string_view token) const;

  std::array<Shard, kShards> shards_;
  std::atomic<std::uint64_t> generation_ = 0;
};

}  // namespace fluxgate::identity

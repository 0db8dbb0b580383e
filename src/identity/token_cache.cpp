#include "identity/token_cache.h"

namespace fluxgate::identity {

const TokenCache::Shard& TokenCache::shard_of(std::string_view token) const {
  // The map inside uses the low bits of the same hash.
  return shards_[(Hash{}(token) >> 48) % kShards];
}

std::optional<Proof> TokenCache::find(std::string_view token, Millis now) const {
  const Shard& shard = shard_of(token);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.entries.find(token);
  // A clock set back must not prolong an entry.
  if (found == shard.entries.end() || now >= found->second.until || now + kLifetime < found->second.until)
    return std::nullopt;
  return found->second.proof;
}

void TokenCache::put(std::string_view token, Proof proof, Millis now, std::optional<Millis> token_ends,
                     std::uint64_t generation) {
  const Millis until = std::min(now + kLifetime, token_ends.value_or(now + kLifetime));
  auto& shard = const_cast<Shard&>(shard_of(token));
  const std::lock_guard lock(shard.mutex);
  if (generation_.load(std::memory_order_acquire) != generation) return;
  if (shard.entries.size() >= kShardLimit) {
    std::erase_if(shard.entries, [now](const auto& item) { return now >= item.second.until; });
    if (shard.entries.size() >= kShardLimit) shard.entries.clear();
  }
  shard.entries.insert_or_assign(std::string(token), Entry{std::move(proof), until});
}

void TokenCache::forget(std::string_view user_id) {
  generation_.fetch_add(1, std::memory_order_acq_rel);
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    std::erase_if(shard.entries,
                  [user_id](const auto& item) { return item.second.proof.principal.user_id == user_id; });
  }
}

void TokenCache::forget_all() {
  generation_.fetch_add(1, std::memory_order_acq_rel);
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    shard.entries.clear();
  }
}

std::size_t TokenCache::size() const {
  std::size_t total = 0;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    total += shard.entries.size();
  }
  return total;
}

}  // namespace fluxgate::identity

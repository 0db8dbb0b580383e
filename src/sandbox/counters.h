// Counts of what the sandbox was asked, for tests and `GET /_sandbox/stats`. Thread-safe.
#pragma once

#include <array>
#include <atomic>

#include "sandbox/sandbox.h"

namespace fluxgate::sandbox {

enum class Count {
  posts,
  accepted,
  status,
  results,
  cancels,
  streams,
  media,
  uploads,
  webhooks_sent,
  webhooks_delivered,
  faults
};

class Counters {
 public:
  void add(Count what) { counts_[static_cast<std::size_t>(what)].fetch_add(1, std::memory_order_relaxed); }
  RequestCounts snapshot() const {
    auto of = [&](Count what) {
      return counts_[static_cast<std::size_t>(what)].load(std::memory_order_relaxed);
    };
    return {of(Count::posts),         of(Count::accepted),
            of(Count::status),        of(Count::results),
            of(Count::cancels),       of(Count::streams),
            of(Count::media),         of(Count::uploads),
            of(Count::webhooks_sent), of(Count::webhooks_delivered),
            of(Count::faults)};
  }

 private:
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(Count::faults) + 1> counts_{};
};

}  // namespace fluxgate::sandbox

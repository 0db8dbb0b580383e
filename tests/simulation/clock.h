// The simulation's own time.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace fluxgate::simulation {

// Moves only when it is told to; from any thread.
class SimClock final : public Clock {
 public:
  Millis now_ms() const override { return steady_ + set_right_; }
  // Time as it really goes by: what people put right is only the clock.
  Millis steady_ms() const { return steady_; }
  void advance(Millis by) { steady_ += by; }
  void put_right(Millis by) { set_right_ += by; }

 private:
  std::atomic<Millis> steady_ = 1'800'000'000'000, set_right_ = 0;
};

}  // namespace fluxgate::simulation

#include "tasks/policy.h"

#include <algorithm>
#include <cmath>

namespace fluxgate::tasks {
namespace {

constexpr Millis kStepMin = 150;
constexpr Millis kStepMax = 3'000;
constexpr Millis kStepUnknown = 500;         // nothing learned yet
constexpr Millis kFarBack = 10'000;          // many ahead in the upstream's queue
constexpr int kFarBackFrom = 20;
constexpr Millis kBackup = 30'000;           // a webhook is expected
constexpr Millis kWatchSooner = 150;         // it takes a moment until the call stands
constexpr Millis kWatchMargin = 4;           // and a twentieth ends before `low`: by this part of the range sooner still
constexpr Millis kWatchAgain = 100;
constexpr Millis kStuckAfter = 60'000;       // beyond what can be expected
constexpr Millis kCallWorth = 250;           // a call is worth a delay of so long

// Asking n times, evenly, over the range W in which it may end costs (n + 1) / 2 calls and W / 2n of delay; with a
// call worth c that is least at n = sqrt(W / c), a step of sqrt(W c).
Millis step_of(const Expected& expected) {
  const auto range = static_cast<double>(std::max<Millis>(0, expected.high - expected.low));
  return std::clamp(std::llround(std::sqrt(range * static_cast<double>(kCallWorth))), static_cast<long long>(kStepMin),
                    static_cast<long long>(kStepMax));
}

}  // namespace

Millis backoff_ms(const Policy& policy, int tries, std::optional<int> retry_after_s, std::uint64_t random) {
  Millis wait = policy.backoff_base_ms << std::min(tries, 20);
  wait = std::min(wait, policy.backoff_max_ms);
  wait += wait * (static_cast<Millis>(random % 501) - 250) / 1000;  // ±25 %: a crowd spreads out
  if (retry_after_s) wait = std::max<Millis>(wait, std::min<Millis>(*retry_after_s * 1000ll, policy.retry_after_max_ms));
  return wait;
}

Millis first_look_ms(const std::optional<Expected>& expected, Follow follow) {
  switch (follow) {
    case Follow::webhook: return kBackup;
    case Follow::watch: return expected ? std::max<Millis>(0, expected->low - (expected->high - expected->low) / kWatchMargin - kWatchSooner) : 0;
    case Follow::poll: return expected ? std::max(kStepMin, expected->low + step_of(*expected) / 2) : kStepUnknown;
  }
  return kStepUnknown;
}

Millis next_look_ms(const std::optional<Expected>& expected, Millis elapsed_ms, int looks,
                    std::optional<int> queue_position, Follow follow) {
  if (follow == Follow::webhook) return kBackup;
  if (queue_position && *queue_position > kFarBackFrom) return kFarBack;
  if (const Millis first = first_look_ms(expected, follow); expected && elapsed_ms < first)
    return std::max(kStepMin, first - elapsed_ms);
  if (follow == Follow::watch) return kWatchAgain;
  // The longer it takes beyond what was expected, the wider the steps.
  Millis step = expected ? step_of(*expected) : kStepUnknown;
  const Millis overrun = elapsed_ms - (expected ? expected->high : 0);
  if (expected || looks >= 10) step = std::max(step, overrun / 6);
  return std::clamp(step, kStepMin, kStepMax);
}

bool worth_watching(const std::optional<Expected>& expected, Millis elapsed_ms) {
  return elapsed_ms < (expected ? expected->high : 0) + kStuckAfter;
}

Millis learned_ms(const std::optional<Expected>& expected, Millis unfinished_ms, Millis ended_ms, Follow follow,
                  int early_before) {
  if (follow == Follow::webhook) return ended_ms;
  if (unfinished_ms > 0) return follow == Follow::watch ? ended_ms : (unfinished_ms + ended_ms) / 2;
  if (!expected) return ended_ms;
  const Millis known = std::min(ended_ms, expected->low);
  // A question is best asked when one in five has ended; then two in a row are as rare as a twentieth. A watch that
  // comes too early costs nothing.
  if (follow == Follow::poll && early_before == 0) return known;
  return std::max<Millis>({1, known / 4, known - (step_of(*expected) / 2 << std::min(early_before, 10))});
}

UnknownVerdict judge_unknown(const Policy& policy, Credits quote, int resubmits, Millis waited_ms, bool webhook) {
  if (waited_ms < (webhook ? policy.unknown_wait_with_webhook_ms : policy.unknown_wait_ms)) return UnknownVerdict::wait;
  if (resubmits == 0 && quote <= policy.resubmit_up_to) return UnknownVerdict::resubmit;
  return UnknownVerdict::give_up;
}

}  // namespace fluxgate::tasks

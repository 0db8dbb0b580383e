#include "tasks/policy.h"

#include <algorithm>

namespace fluxgate::tasks {
namespace {

constexpr Millis kPollMin = 150;
constexpr Millis kPollMax = 3'000;
constexpr Millis kPollFarBack = 10'000;   // many ahead in the upstream's queue
constexpr Millis kPollBackup = 30'000;    // a webhook is expected; this only catches its loss

}  // namespace

Millis backoff_ms(const Policy& policy, int tries, std::optional<int> retry_after_s, std::uint64_t random) {
  Millis wait = policy.backoff_base_ms << std::min(tries, 20);
  wait = std::min(wait, policy.backoff_max_ms);
  wait += wait * (static_cast<Millis>(random % 501) - 250) / 1000;  // ±25 %: a crowd spreads out
  if (retry_after_s) wait = std::max<Millis>(wait, std::min<Millis>(*retry_after_s * 1000ll, policy.retry_after_max_ms));
  return wait;
}

Millis first_poll_ms(std::optional<std::int64_t> median_ms, bool webhook) {
  if (webhook) return kPollBackup;
  if (!median_ms) return 500;
  return std::max<Millis>(kPollMin, *median_ms * 95 / 100);
}

Millis next_poll_ms(std::optional<std::int64_t> median_ms, Millis elapsed_ms, int polls, std::optional<int> queue_position,
                    bool webhook) {
  if (webhook) return kPollBackup;
  if (queue_position && *queue_position > 20) return kPollFarBack;
  // Around the expected end the steps are a tenth of the duration; the longer it overruns, the wider.
  Millis step = median_ms ? std::max<Millis>(kPollMin, *median_ms / 10) : 500;
  Millis overrun = median_ms ? std::max<Millis>(0, elapsed_ms - *median_ms) : elapsed_ms;
  step = std::max(step, overrun / 6);
  if (!median_ms && polls < 10) step = std::min<Millis>(step, 500);
  return std::clamp(step, kPollMin, kPollMax);
}

Millis learned_ms(std::optional<Millis> before, const Lesson& lesson) {
  if (!before) return lesson.duration_ms;
  const Millis step = std::max<Millis>(*before / 10, 20);
  if (lesson.at_most) return std::max<Millis>(1, std::min(lesson.duration_ms, *before) - step);
  return *before + std::clamp(lesson.duration_ms - *before, -step, step);
}

UnknownVerdict judge_unknown(const Policy& policy, Credits quote, int resubmits, Millis waited_ms, bool webhook) {
  if (waited_ms < (webhook ? policy.unknown_wait_with_webhook_ms : policy.unknown_wait_ms)) return UnknownVerdict::wait;
  if (resubmits == 0 && quote <= policy.resubmit_up_to) return UnknownVerdict::resubmit;
  return UnknownVerdict::give_up;
}

}  // namespace fluxgate::tasks

// The engine's decisions about time and repetition, as pure functions of numbers.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/money.h"

namespace fluxgate::tasks {

struct Policy {
  int max_tries = 8;                          // submits that were certainly not accepted, before it fails
  Millis backoff_base_ms = 1'000;             // doubled per try, ±25 %
  Millis backoff_max_ms = 60'000;
  Millis retry_after_max_ms = 600'000;        // an upstream cannot park a task for longer
  Millis task_deadline_ms = 30 * 60'000;      // from its first submit to the upstream's result
  Millis storing_deadline_ms = 15 * 60'000;   // from the upstream's result to the last download
  Millis unknown_wait_ms = 20'000;            // before an unanswered submit is decided on …
  Millis unknown_wait_with_webhook_ms = 600'000;  // … and when a webhook may still bring the answer
  Credits resubmit_up_to = Credits::whole(50);
  Millis cancel_wait_ms = 60'000;             // for the upstream's word after its cancel
  int status_calls_per_s = 20;                // per account
};

// How long to wait before try number `tries` + 1. `random` is any 64 bits.
Millis backoff_ms(const Policy& policy, int tries, std::optional<int> retry_after_s, std::uint64_t random);

// When to ask for the first time, after acceptance.
Millis first_poll_ms(std::optional<std::int64_t> median_ms, bool webhook);
// When to ask again, `polls` questions after acceptance, `elapsed_ms` in.
Millis next_poll_ms(std::optional<std::int64_t> median_ms, Millis elapsed_ms, int polls, std::optional<int> queue_position,
                    bool webhook);

// How long one task took, as far as it is known.
struct Lesson {
  Millis duration_ms = 0;
  bool at_most = false;   // it was done when it was first asked for
};
// The estimate of how long such tasks take, after one more. It settles at the median: each lesson moves it a
// bounded step up or down, so one stuck task does not spoil it. A task that was done when first asked for counts
// as shorter, since otherwise an estimate that is too long would put off the question and so confirm itself.
Millis learned_ms(std::optional<Millis> before, const Lesson& lesson);

enum class UnknownVerdict { wait, resubmit, give_up };
UnknownVerdict judge_unknown(const Policy& policy, Credits quote, int resubmits, Millis waited_ms, bool webhook);

}  // namespace fluxgate::tasks

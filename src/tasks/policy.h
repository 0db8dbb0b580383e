// The engine's decisions about time and repetition, as pure functions of numbers.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/money.h"
#include "tasks/durations.h"

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

// How the end of a task is learned.
enum class Follow {
  webhook,  // the upstream calls; looking only catches the loss of that call
  watch,    // the upstream tells its end on a call that stays open
  poll,     // by asking again and again
};

// When to look for the first time, after the submit: when the first of such tasks end.
Millis first_look_ms(const std::optional<Expected>& expected, Follow follow);
// How long after a look that found it unfinished to look again; `elapsed_ms` since the submit, `looks` so far.
Millis next_look_ms(const std::optional<Expected>& expected, Millis elapsed_ms, int looks,
                    std::optional<int> queue_position, Follow follow);
// Whether watching is still worth a connection: not for one that seems stuck.
bool worth_watching(const std::optional<Expected>& expected, Millis elapsed_ms);
// What to learn of a task that was seen unfinished at `unfinished_ms` (0 = never) and ended when seen at `ended_ms`.
// One that had ended before the first look counts as shorter than what was expected, ever more so the more of them
// come in a row (`early_before`); otherwise an estimate that is too long would put off the look and confirm itself.
Millis learned_ms(const std::optional<Expected>& expected, Millis unfinished_ms, Millis ended_ms, Follow follow,
                  int early_before = 0);

enum class UnknownVerdict { wait, resubmit, give_up };
UnknownVerdict judge_unknown(const Policy& policy, Credits quote, int resubmits, Millis waited_ms, bool webhook);

}  // namespace fluxgate::tasks

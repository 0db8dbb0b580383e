#include "tasks/policy.h"

#include <gtest/gtest.h>

namespace fluxgate::tasks {
namespace {

TEST(Backoff, DoublesUpToItsCapWithinAQuarter) {
  Policy policy;
  Millis nominal = policy.backoff_base_ms;
  for (int tries = 0; tries < 30; ++tries) {
    for (std::uint64_t random : {0ull, 250ull, 500ull, 77777ull}) {
      Millis wait = backoff_ms(policy, tries, std::nullopt, random);
      EXPECT_GE(wait, nominal * 3 / 4) << tries;
      EXPECT_LE(wait, nominal * 5 / 4) << tries;
    }
    nominal = std::min(nominal * 2, policy.backoff_max_ms);
  }
}

TEST(Backoff, WaitsAtLeastAsLongAsTheUpstreamSaysUpToALimit) {
  Policy policy;
  EXPECT_GE(backoff_ms(policy, 0, 30, 1), 30'000);
  EXPECT_EQ(backoff_ms(policy, 0, 601, 1), policy.retry_after_max_ms);
  EXPECT_EQ(backoff_ms(policy, 0, 2'000'000'000, 1), policy.retry_after_max_ms);
}

TEST(Polling, BeginsNearTheLearnedDuration) {
  EXPECT_EQ(first_poll_ms(std::nullopt, false), 500);
  EXPECT_EQ(first_poll_ms(2'000, false), 1'900);
  EXPECT_EQ(first_poll_ms(10, false), 150);
  EXPECT_EQ(first_poll_ms(2'000, true), 30'000);  // the webhook brings it
}

TEST(Polling, StepsStayBoundedAndWidenWhenItOverruns) {
  Millis before = 0;
  for (Millis elapsed : {2'000, 4'000, 10'000, 60'000}) {
    Millis step = next_poll_ms(2'000, elapsed, 3, std::nullopt, false);
    EXPECT_GE(step, before);
    EXPECT_LE(step, 3'000);
    before = step;
  }
  EXPECT_EQ(next_poll_ms(2'000, 500, 1, 21, false), 10'000);
  EXPECT_LT(next_poll_ms(2'000, 500, 1, 20, false), 10'000);
}

TEST(Learning, SettlesAtTheMedianAndIsNotSpoiledByOneStuckTask) {
  std::optional<Millis> known;
  for (int i = 0; i < 200; ++i) known = learned_ms(known, {i % 2 == 0 ? 900 : 1'100});
  EXPECT_NEAR(static_cast<double>(*known), 1'000, 150);
  const Millis before = *known;
  EXPECT_LE(learned_ms(known, {600'000}), before * 11 / 10);
}

// Asked at 95 % of an estimate that is far too long, every task is found done: the estimate must come down.
TEST(Learning, DoesNotConfirmItself) {
  std::optional<Millis> known = 10'000;
  constexpr Millis kTruth = 200;
  for (int i = 0; i < 60; ++i) {
    const Millis asked = first_poll_ms(known, false);
    known = learned_ms(known, asked >= kTruth ? Lesson{asked, true} : Lesson{kTruth + 20, false});
  }
  EXPECT_LT(*known, 300);
  EXPECT_GT(*known, 100);
}

TEST(Unknown, WaitsThenResubmitsWhatIsCheapOnceElseGivesUp) {
  Policy policy;
  Credits cheap = policy.resubmit_up_to, dear = cheap + Credits::thousandths(1);
  EXPECT_EQ(judge_unknown(policy, cheap, 0, policy.unknown_wait_ms - 1, false), UnknownVerdict::wait);
  EXPECT_EQ(judge_unknown(policy, cheap, 0, policy.unknown_wait_ms, false), UnknownVerdict::resubmit);
  EXPECT_EQ(judge_unknown(policy, cheap, 1, policy.unknown_wait_ms, false), UnknownVerdict::give_up);
  EXPECT_EQ(judge_unknown(policy, dear, 0, policy.unknown_wait_ms, false), UnknownVerdict::give_up);
  EXPECT_EQ(judge_unknown(policy, cheap, 0, policy.unknown_wait_ms, true), UnknownVerdict::wait);
  EXPECT_EQ(judge_unknown(policy, cheap, 0, policy.unknown_wait_with_webhook_ms, true), UnknownVerdict::resubmit);
}

}  // namespace
}  // namespace fluxgate::tasks

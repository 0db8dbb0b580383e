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

constexpr Expected kAbout10s{9'000, 10'000, 13'000};

TEST(Looking, BeginsWhenTheFirstOfSuchTasksEnd) {
  EXPECT_EQ(first_look_ms(kAbout10s, Follow::poll), 9'500) << "half a step after the first can end";
  EXPECT_EQ(first_look_ms(Expected{10, 20, 30}, Follow::poll), 150);
  EXPECT_EQ(first_look_ms(std::nullopt, Follow::poll), 500);
  EXPECT_EQ(first_look_ms(kAbout10s, Follow::watch), 9'000 - 1'000 - 150) << "the call stands before nearly all of them end";
  EXPECT_EQ(first_look_ms(Expected{500, 2'000, 3'000}, Follow::watch), 0);
  EXPECT_EQ(first_look_ms(std::nullopt, Follow::watch), 0);
  EXPECT_EQ(first_look_ms(kAbout10s, Follow::webhook), 30'000) << "the webhook brings it";
}

TEST(Looking, TakesStepsThatWeighCallsAgainstDelay) {
  // sqrt(4 s · 0.25 s)
  EXPECT_EQ(next_look_ms(kAbout10s, 10'000, 1, std::nullopt, Follow::poll), 1'000);
  EXPECT_EQ(next_look_ms(Expected{1'000, 1'010, 1'020}, 1'010, 1, std::nullopt, Follow::poll), 150);
  EXPECT_EQ(next_look_ms(Expected{10'000, 60'000, 200'000}, 50'000, 1, std::nullopt, Follow::poll), 3'000);
  EXPECT_EQ(next_look_ms(kAbout10s, 4'000, 1, std::nullopt, Follow::poll), 5'500) << "not before the first can end";
}

TEST(Looking, WidensWhenItOverruns) {
  Millis before = 0;
  for (Millis elapsed : {10'000, 13'000, 20'000, 25'000, 60'000, 600'000}) {
    const Millis step = next_look_ms(kAbout10s, elapsed, 3, std::nullopt, Follow::poll);
    EXPECT_GE(step, before);
    EXPECT_LE(step, 3'000);
    before = step;
  }
  EXPECT_EQ(before, 3'000);
  EXPECT_EQ(next_look_ms(std::nullopt, 5'000, 9, std::nullopt, Follow::poll), 500);
  EXPECT_GT(next_look_ms(std::nullopt, 5'000, 10, std::nullopt, Follow::poll), 500);
}

TEST(Looking, LeavesThoseAloneThatStandFarBack) {
  EXPECT_EQ(next_look_ms(kAbout10s, 500, 1, 21, Follow::poll), 10'000);
  EXPECT_EQ(next_look_ms(kAbout10s, 500, 1, 20, Follow::poll), 9'000);
  EXPECT_EQ(next_look_ms(kAbout10s, 9'500, 1, 21, Follow::watch), 10'000);
}

TEST(Watching, IsNotForWhatIsStuck) {
  EXPECT_TRUE(worth_watching(kAbout10s, 72'999));
  EXPECT_FALSE(worth_watching(kAbout10s, 73'000));
  EXPECT_TRUE(worth_watching(std::nullopt, 59'999));
  EXPECT_FALSE(worth_watching(std::nullopt, 60'000));
}

TEST(Learning, TakesTheEndBetweenTheLooksThatEnclosedIt) {
  EXPECT_EQ(learned_ms(kAbout10s, 9'000, 10'000, Follow::poll), 9'500);
  EXPECT_EQ(learned_ms(kAbout10s, 9'000, 10'000, Follow::watch), 10'000) << "told at once";
  EXPECT_EQ(learned_ms(kAbout10s, 0, 7'000, Follow::webhook), 7'000);
  EXPECT_EQ(learned_ms(std::nullopt, 0, 7'000, Follow::poll), 7'000);
}

// If the first look learned only what it expects, tasks that became faster would stay unnoticed for ever.
TEST(Learning, BringsTheFirstLookForwardUntilItFindsTasksAtWorkAgain) {
  std::vector<Millis> recent(kDurationsKept, 10'000);
  const Millis really = 2'000;
  int early = 0;
  for (; early < 1'000; ++early) {
    const auto expected = expected_of(recent);
    const Millis first = first_look_ms(expected, Follow::poll);
    if (first < really) break;
    recent.erase(recent.begin());
    recent.push_back(learned_ms(expected, 0, first, Follow::poll, early));
  }
  EXPECT_LT(early, 15);
  EXPECT_GT(first_look_ms(expected_of(recent), Follow::poll), really / 4);
}

// Asked at 95 % of an estimate that is far too long, every task is found done: the estimate must come down.
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

#include "tasks/account_health.h"

#include <gtest/gtest.h>

namespace fluxgate::tasks {
namespace {

using State = Breaker::State;
constexpr BreakerRules kRules{.failures_to_open = 3, .rest_ms = 1'000, .rest_max_ms = 3'000, .probe_limit_ms = 500};

Breaker opened_at(Millis now) {
  Breaker breaker(kRules);
  for (int i = 0; i < 3; ++i) breaker.failed(now);
  return breaker;
}

TEST(Breaker, OpensAfterThatManyFailuresInARowAndNotBefore) {
  Breaker breaker(kRules);
  EXPECT_FALSE(breaker.failed(10));
  EXPECT_FALSE(breaker.failed(11));
  EXPECT_EQ(breaker.room(12), -1);
  EXPECT_TRUE(breaker.failed(12));
  EXPECT_EQ(breaker.state(12), State::open);
  EXPECT_EQ(breaker.room(12), 0);
  EXPECT_EQ(breaker.since(), 12);
}

TEST(Breaker, CountsFromTheLastSuccess) {
  Breaker breaker(kRules);
  breaker.failed(1);
  breaker.failed(2);
  breaker.succeeded();
  EXPECT_FALSE(breaker.failed(3));
  EXPECT_FALSE(breaker.failed(4));
  EXPECT_EQ(breaker.state(5), State::closed);
}

TEST(Breaker, LetsOneTaskTryWhenTheRestIsOver) {
  Breaker breaker = opened_at(100);
  EXPECT_EQ(breaker.room(1'099), 0);
  EXPECT_EQ(breaker.state(1'100), State::half_open);
  EXPECT_EQ(breaker.room(1'100), 1);
  breaker.given(1'100);
  EXPECT_EQ(breaker.room(1'101), 0) << "one at a time";
  breaker.succeeded();
  EXPECT_EQ(breaker.state(1'102), State::closed);
  EXPECT_EQ(breaker.room(1'102), -1);
}

TEST(Breaker, RestsTwiceAsLongAfterATryThatFailedUpToALimit) {
  Breaker breaker = opened_at(0);
  breaker.given(1'000);
  EXPECT_TRUE(breaker.failed(1'000));
  EXPECT_EQ(breaker.room(2'999), 0);
  EXPECT_EQ(breaker.room(3'000), 1);
  breaker.given(3'000);
  breaker.failed(3'000);
  EXPECT_EQ(breaker.room(5'999), 0);
  EXPECT_EQ(breaker.room(6'000), 1) << "three thousand at most";
  EXPECT_EQ(breaker.rests(), 3);
  EXPECT_EQ(breaker.since(), 0) << "it has not worked since the first";
  breaker.succeeded();
  for (int i = 0; i < 3; ++i) breaker.failed(10'000);
  EXPECT_EQ(breaker.room(11'000), 1) << "and the first rest is short again";
}

TEST(Breaker, GivesUpATryOfWhichNothingIsHeard) {
  Breaker breaker = opened_at(0);
  breaker.given(1'000);
  EXPECT_EQ(breaker.room(1'499), 0);
  EXPECT_EQ(breaker.room(1'500), 1);
}

TEST(Breaker, HearsFailuresOfWhatWasOnItsWayWithoutRestingLonger) {
  Breaker breaker = opened_at(0);
  EXPECT_FALSE(breaker.failed(500));
  EXPECT_EQ(breaker.room(1'000), 1);
  EXPECT_EQ(breaker.rests(), 1);
  EXPECT_EQ(breaker.failures(), 4);
}

TEST(AccountHealth, KeepsAccountsApartAndForgets) {
  AccountHealth health(kRules);
  for (int i = 0; i < 3; ++i) health.with("a", [](Breaker& breaker) { return breaker.failed(0); });
  EXPECT_EQ(health.of("a").state(1), State::open);
  EXPECT_EQ(health.of("b").state(1), State::closed);
  health.forget("a");
  EXPECT_EQ(health.of("a").state(1), State::closed);
}

}  // namespace
}  // namespace fluxgate::tasks

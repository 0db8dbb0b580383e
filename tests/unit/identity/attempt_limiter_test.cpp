#include "identity/attempt_limiter.h"

#include <gtest/gtest.h>

namespace fluxgate::identity {
namespace {

constexpr Millis kNow = 1'790'000'000'000;
constexpr Millis kWindow = 15 * 60'000;

TEST(AttemptLimiter, AllowsTenFailuresAndRefusesTheEleventh) {
  AttemptLimiter limiter;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(limiter.begin("ada 192.0.2.1", kNow)) << i;
  const auto refused = limiter.begin("ada 192.0.2.1", kNow + 1'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errc(), Errc::too_many_requests);
  EXPECT_EQ(refused.error().retry_after_s(), 899);
  EXPECT_TRUE(limiter.begin("ada 192.0.2.2", kNow));
}

TEST(AttemptLimiter, OpensAgainWhenTheWindowEnds) {
  AttemptLimiter limiter;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(limiter.begin("k", kNow));
  EXPECT_FALSE(limiter.begin("k", kNow + kWindow - 1));
  EXPECT_TRUE(limiter.begin("k", kNow + kWindow));
}

TEST(AttemptLimiter, StartsAnewAfterASuccess) {
  AttemptLimiter limiter;
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(limiter.begin("k", kNow));
  ASSERT_TRUE(limiter.begin("k", kNow));
  limiter.forgive("k");
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(limiter.begin("k", kNow)) << i;
}

TEST(AttemptLimiter, DoesNotCountWhatWasNeverJudged) {
  AttemptLimiter limiter;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(limiter.begin("k", kNow));
    limiter.undo("k");
  }
}

TEST(AttemptLimiter, KeepsOnlySoManyKeysTheNewestOnes) {
  AttemptLimiter limiter({.attempts = 1, .window = kWindow, .keys = 100});
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(limiter.begin("k" + std::to_string(i), kNow + i));
  EXPECT_EQ(limiter.size(), 100u);
  EXPECT_FALSE(limiter.begin("k999", kNow + 1'000));
  EXPECT_TRUE(limiter.begin("k0", kNow + 1'000));
}

TEST(AttemptLimiter, SurvivesAClockSetBack) {
  AttemptLimiter limiter;
  for (int i = 0; i < 11; ++i) static_cast<void>(limiter.begin("k", kNow));
  EXPECT_TRUE(limiter.begin("k", kNow - 3'600'000));
}

}  // namespace
}  // namespace fluxgate::identity

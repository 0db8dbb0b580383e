// Usage is counted and rolled up right, on both engines.
#include <gtest/gtest.h>

#include "old_tasks.h"

namespace fluxgate::closures {
namespace {

using Usage = OldTasks;

TEST_P(Usage, UsageIsCountedWhenATaskEnds) {
  const Person ann = house.sign_up("ann@example.org"), bob = house.sign_up("bob@example.org");
  ended(ann, TaskState::succeeded, 3);
  ended(ann, TaskState::failed);
  ended(bob, TaskState::cancelled);
  submitted(ann);
  const auto own = asked({.user_id = ann.id});
  ASSERT_EQ(own.size(), 1u);
  EXPECT_EQ(own[0].succeeded, 1);
  EXPECT_EQ(own[0].failed, 1);
  EXPECT_EQ(own[0].cancelled, 0);
  EXPECT_EQ(own[0].images, 3);
  EXPECT_EQ(own[0].charged.in_thousandths(), house.number("SELECT charged FROM fg_task WHERE status = 'succeeded'"));
  const auto by_user = asked({.by = stats::By::user});
  ASSERT_EQ(by_user.size(), 2u);
  EXPECT_EQ(by_user[0].key, ann.id) << "the dearest first";
  EXPECT_EQ(by_user[1].cancelled, 1);
  const auto by_model = asked({.by = stats::By::model});
  ASSERT_EQ(by_model.size(), 1u);
  EXPECT_EQ(by_model[0].key, kModel);
  EXPECT_EQ(by_model[0].failed, 1);
}

TEST_P(Usage, TheSumsOfAllAreTheSameRolledUpOrNot) {
  const Person ann = house.sign_up("ann@example.org"), bob = house.sign_up("bob@example.org");
  const Millis first = now() / stats::kHour * stats::kHour;
  for (int hour = 0; hour < 4; ++hour) {
    for (int i = 0; i <= hour; ++i) ended(i % 2 ? ann : bob, i == 2 ? TaskState::failed : TaskState::succeeded);
    house.clock.advance(stats::kHour);
  }
  const auto hours = [&] {
    std::vector<std::tuple<Millis, std::int64_t, std::int64_t>> rows;
    for (const auto& row : asked({.step = stats::Step::hour})) rows.emplace_back((row.at - first) / stats::kHour, row.succeeded, row.failed);
    return rows;
  };
  const std::vector<std::tuple<Millis, std::int64_t, std::int64_t>> expected{{0, 1, 0}, {1, 2, 0}, {2, 2, 1}, {3, 3, 1}};
  EXPECT_EQ(hours(), expected);
  const auto roll_up = [&] { return house.write([&](db::Tx& tx) { return stats::roll_up(tx, now()); }); };
  // The last hour is over, and has not settled: on one side of the limit it waits, on the other it is done.
  const Millis over = first + 4 * stats::kHour;
  house.clock.advance(over + stats::kSettles - 1 - now());
  while (roll_up()) {
  }
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_usage_total"), 3);
  EXPECT_EQ(hours(), expected);
  house.clock.advance(1);
  while (roll_up()) {
  }
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_usage_total"), 4);
  EXPECT_EQ(hours(), expected);
  // Who came late is seen at once, and is in the sums when the next hour is done.
  house.write([&](db::Tx& tx) { stats::count(tx, {ann.id, "flux", kModel, stats::Outcome::failed, 0, Credits{}, over - 1}); });
  auto with_late = expected;
  std::get<2>(with_late.back()) = 2;
  EXPECT_EQ(hours(), with_late);
  ended(ann);
  house.clock.advance(2 * stats::kHour);
  EXPECT_TRUE(roll_up());
  with_late.emplace_back(4, 1, 0);
  EXPECT_EQ(hours(), with_late);
  EXPECT_EQ(house.number("SELECT failed FROM fg_usage_total WHERE hour = $1", {over - stats::kHour}), 2);
}

TEST_P(Usage, DaysBeginWhereTheCallerLives) {
  const Person ann = house.sign_up("ann@example.org");
  house.clock.advance(kDay - now() % kDay + 17 * stats::kHour);  // 17:00 UTC is 01:00 of the next day in Shanghai
  ended(ann);
  const Millis midnight = now() - now() % kDay;
  EXPECT_EQ(asked({.step = stats::Step::day, .user_id = ann.id}).at(0).at, midnight);
  EXPECT_EQ(asked({.step = stats::Step::day, .utc_offset = 8 * stats::kHour, .user_id = ann.id}).at(0).at, midnight + 16 * stats::kHour);
  EXPECT_EQ(asked({.step = stats::Step::day, .utc_offset = 8 * stats::kHour}).at(0).at, midnight + 16 * stats::kHour);
}

TEST_P(Usage, TasksThatWereTakenOverAreCountedOnce) {
  const Person ann = house.sign_up("ann@example.org");
  ended(ann);
  ended(ann, TaskState::failed);
  const auto before = asked({.user_id = ann.id}).at(0);
  EXPECT_FALSE(house.read(stats::needs_stock));
  house.write([](db::Tx& tx) { tx.exec("DELETE FROM fg_usage_hourly"); });
  EXPECT_TRUE(house.read(stats::needs_stock));
  // What was rolled up without them, is no longer right.
  house.write([&](db::Tx& tx) {
    tx.exec("INSERT INTO fg_usage_total (hour, provider, model, succeeded, failed, cancelled, images, charged) "
            "VALUES ($1, 'flux', 'm', 1, 0, 0, 1, 1)", {now() / stats::kHour * stats::kHour + stats::kHour});
  });
  for (int time = 0; time < 2; ++time) {
    house.write(stats::take_stock);
    EXPECT_FALSE(house.read(stats::needs_stock));
    for (const std::string& user : {ann.id, std::string()}) {
      const auto after = asked({.user_id = user}).at(0);
      EXPECT_EQ(std::tie(after.succeeded, after.failed, after.images), std::tie(before.succeeded, before.failed, before.images));
      EXPECT_EQ(after.charged, before.charged);
    }
  }
}

FLUX_ON_BOTH_ENGINES(Usage);

}  // namespace
}  // namespace fluxgate::closures

#include "tasks/durations.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "db/schema.h"

namespace fluxgate::tasks {
namespace {

namespace json = boost::json;

Task task_of(json::object params, int images = 1, std::string model = "m") {
  Task task;
  task.model = std::move(model);
  task.params = std::move(params);
  task.images = images;
  return task;
}

TEST(Expectation, SpansWhereNineOfTenEnd) {
  EXPECT_EQ(expected_of({}), std::nullopt);
  std::vector<Millis> recent;
  for (int i = 1; i <= 32; ++i) recent.push_back(1'000 * ((i * 7) % 32 + 1));  // 1 s to 32 s, mixed
  const Expected expected = *expected_of(recent);
  EXPECT_NEAR(static_cast<double>(expected.low), 2'500, 600);
  EXPECT_NEAR(static_cast<double>(expected.median), 16'500, 600);
  EXPECT_NEAR(static_cast<double>(expected.high), 30'500, 600);
}

TEST(Expectation, IsUnsureWhileSamplesAreFew) {
  const Expected one = *expected_of({8'000}), many = *expected_of(std::vector<Millis>(32, 8'000));
  EXPECT_EQ(one, (Expected{6'000, 8'000, 10'000}));
  EXPECT_GT(many.low, 7'800);
  EXPECT_LT(many.low, 8'000);
}

TEST(Expectation, IsNotSpoiltByOneThatHung) {
  std::vector<Millis> recent(31, 2'000);
  recent.push_back(600'000);
  EXPECT_LT(expected_of(recent)->high, 2'200);
  EXPECT_EQ(expected_of({2'000, 2'000, 600'000})->high, 8'000);
}

TEST(SizeClass, PutsTogetherWhatTakesAboutAsLong) {
  const auto pixels = [](int width, int height) {
    return size_class(task_of({{"image_size", json::object{{"width", width}, {"height", height}}}}));
  };
  EXPECT_EQ(pixels(1024, 1024), pixels(1100, 1000));
  EXPECT_NE(pixels(1024, 1024), pixels(2048, 1024));
  EXPECT_NE(size_class(task_of({{"image_size", "square"}})), size_class(task_of({{"image_size", "square_hd"}})));
  EXPECT_EQ(size_class(task_of({{"num_inference_steps", 28}})), size_class(task_of({{"num_inference_steps", 30}})));
  EXPECT_NE(size_class(task_of({{"num_inference_steps", 4}})), size_class(task_of({{"num_inference_steps", 28}})));
  EXPECT_NE(size_class(task_of({}, 1)), size_class(task_of({}, 2)));
}

TEST(SizeClass, StaysShortWhateverIsAsked) {
  EXPECT_LT(size_class(task_of({{"image_size", json::string(std::string(9'000, 'x'))},
                                {"aspect_ratio", json::object{{"width", -1e300}, {"height", "x"}}},
                                {"num_inference_steps", 1e300}}))
                .size(),
            120u);
}

class LearnedDurations : public testing::Test {
 protected:
  void SetUp() override {
    database_ = db::open(":memory:");
    database_->write_now([](db::Tx& tx) { db::create_missing(tx, 1); });
  }
  std::optional<Expected> expected(Durations& durations, const Task& task) {
    std::optional<Expected> answer;
    boost::asio::co_spawn(context_, durations.expected(task), [&](std::exception_ptr failure, auto value) {
      if (failure) std::rethrow_exception(failure);
      answer = value;
    });
    run();
    return answer;
  }
  void flush(Durations& durations) {
    boost::asio::co_spawn(context_, durations.flush(), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
    run();
  }
  void run() {
    context_.run();
    context_.restart();
  }

  boost::asio::io_context context_;
  std::unique_ptr<db::Database> database_;
  const Task small_ = task_of({{"image_size", "square"}}), large_ = task_of({{"image_size", "square_hd"}});
};

TEST_F(LearnedDurations, AreKnownAtOnceAndAfterARestart) {
  Durations first(*database_, system_clock());
  EXPECT_EQ(expected(first, small_), std::nullopt);
  for (int i = 0; i < 5; ++i) first.learn(small_, 4'000);
  EXPECT_EQ(expected(first, small_)->median, 4'000);
  flush(first);
  Durations second(*database_, system_clock());
  EXPECT_EQ(expected(second, small_), expected(first, small_));
  EXPECT_EQ(database_->write_now([&](db::Tx& tx) { return stored_expectation(tx, small_); }), expected(first, small_));
}

TEST_F(LearnedDurations, OfTheModelSpeakForAClassThatHasFewOfItsOwn) {
  Durations durations(*database_, system_clock());
  for (int i = 0; i < 10; ++i) durations.learn(small_, 4'000);
  durations.learn(large_, 20'000);
  durations.learn(large_, 20'000);
  EXPECT_EQ(expected(durations, large_)->median, 4'000);
  durations.learn(large_, 20'000);
  EXPECT_EQ(expected(durations, large_)->median, 20'000);
  EXPECT_EQ(expected(durations, task_of({}, 1, "another")), std::nullopt);
}

TEST_F(LearnedDurations, OfTwoNodesComeTogether) {
  Durations one(*database_, system_clock()), two(*database_, system_clock());
  for (int i = 0; i < 16; ++i) {
    one.learn(small_, 1'000);
    two.learn(small_, 9'000);
  }
  flush(one);
  flush(two);
  flush(two);  // nothing new
  Durations both(*database_, system_clock());
  const Expected expectation = *expected(both, small_);
  EXPECT_LT(expectation.low, 1'001);
  EXPECT_GT(expectation.high, 3'999);
  EXPECT_EQ(database_->write_now([](db::Tx& tx) {
    return tx.number("SELECT samples FROM fg_model_stat WHERE model = 'm' AND size_class = ''", {});
  }), 32);
}

TEST_F(LearnedDurations, ForgetWhatIsOldAndWhatCannotBe) {
  Durations durations(*database_, system_clock());
  for (int i = 0; i < 40; ++i) durations.learn(small_, 1'000);
  for (std::size_t i = 0; i < kDurationsKept; ++i) durations.learn(small_, 5'000);
  for (Millis wrong : {Millis{0}, Millis{-5}, Millis{1} << 50}) durations.learn(small_, wrong);
  flush(durations);
  Durations again(*database_, system_clock());
  EXPECT_GT(expected(again, small_)->low, 4'900);
}

}  // namespace
}  // namespace fluxgate::tasks

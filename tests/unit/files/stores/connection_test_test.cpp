// What the connection test says about everything that can be wrong.
#include "store_fixture.h"

namespace fluxgate::files {
namespace {

using ::testing::HasSubstr;

class ConnectionTest : public CosTest {
 protected:
  ConnectionReport try_out(CosSettings settings = CosTest::settings()) {
    return wait(open(std::move(settings))->test());
  }
};

TEST_F(ConnectionTest, PassesAndLeavesNothingBehind) {
  start();
  const auto report = try_out();
  EXPECT_TRUE(report.ok) << report.failure_code;
  ASSERT_EQ(report.steps.size(), 4u);
  EXPECT_EQ(report.steps[0].name, "reach");
  EXPECT_EQ(report.steps[3].name, "delete");
  for (const auto& step : report.steps) {
    EXPECT_TRUE(step.ok) << step.name;
    EXPECT_FALSE(step.message.zh.empty());
  }
  EXPECT_TRUE(cos_->keys().empty());
}

TEST_F(ConnectionTest, NamesTheMissingPermission) {
  for (const auto& [action, step, steps] :
       {std::tuple{"PutObject", "write", 2u}, {"GetObject", "read", 3u}, {"DeleteObject", "delete", 4u}}) {
    start();
    cos_->deny({action});
    const auto report = try_out();
    EXPECT_FALSE(report.ok);
    EXPECT_EQ(report.failure_code, "store_forbidden");
    ASSERT_EQ(report.steps.size(), steps) << action;
    EXPECT_EQ(report.steps.back().name, step);
    EXPECT_THAT(report.steps.back().message.en, HasSubstr(std::string("cos:") + action));
    EXPECT_THAT(report.steps.back().message.zh, HasSubstr(std::string("cos:") + action));
  }
}

TEST_F(ConnectionTest, SaysWhereTheBucketReallyIs) {
  start();
  auto wrong = settings();
  wrong.region = "ap-shanghai";
  const auto report = try_out(wrong);
  EXPECT_EQ(report.failure_code, "store_region_wrong");
  EXPECT_THAT(report.steps.back().message.en, HasSubstr("in ap-guangzhou, not in ap-shanghai"));
}

TEST_F(ConnectionTest, SaysThatThereIsNoSuchBucket) {
  start();
  auto wrong = settings();
  wrong.bucket = "studio-1250000001";
  const auto report = try_out(wrong);
  EXPECT_EQ(report.failure_code, "bucket_missing");
  EXPECT_THAT(report.steps.back().message.en, HasSubstr("studio-1250000001"));
}

TEST_F(ConnectionTest, SaysThatTheKeyIsWrong) {
  start();
  auto wrong = settings();
  wrong.credentials.secret += "x";
  EXPECT_EQ(try_out(wrong).failure_code, "store_key_rejected");
  wrong = settings();
  wrong.credentials.id += "x";
  const auto report = try_out(wrong);
  EXPECT_EQ(report.failure_code, "store_key_rejected");
  EXPECT_THAT(report.steps.back().message.en, HasSubstr("InvalidAccessKeyId"));
}

TEST_F(ConnectionTest, MeasuresTheClock) {
  start();
  clock_.shift(-3'600'000);
  const auto report = try_out();
  EXPECT_TRUE(report.ok) << "corrected, but said";
  ASSERT_TRUE(report.clock_offset_ms);
  EXPECT_NEAR(static_cast<double>(*report.clock_offset_ms), 3'600'000, 60'000);
  EXPECT_THAT(report.steps.back().message.en, HasSubstr("behind the store's"));
}

TEST_F(ConnectionTest, TellsDnsConnectionAndTlsApart) {
  start();
  auto unreachable = settings();
  unreachable.endpoint = "http://name.invalid";
  auto report = try_out(unreachable);
  EXPECT_EQ(report.failure_code, "store_unreachable");
  ASSERT_EQ(report.steps.size(), 1u);
  EXPECT_EQ(report.steps[0].name, "reach");
  EXPECT_THAT(report.steps[0].message.en, HasSubstr("name.invalid cannot be resolved"));

  unreachable.endpoint = "https://" + cos_->base_url().substr(7);  // which speaks plain HTTP
  report = try_out(unreachable);
  EXPECT_EQ(report.failure_code, "store_tls");

  unreachable.endpoint = cos_->base_url();
  cos_->stop();
  report = try_out(unreachable);
  EXPECT_EQ(report.failure_code, "store_unreachable");
  EXPECT_THAT(report.steps[0].message.en, HasSubstr("refuses the connection"));
}

}  // namespace
}  // namespace fluxgate::files

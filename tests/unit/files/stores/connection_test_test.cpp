// What the connection test says about everything that can be wrong.
#include "../../net/test_server.h"
#include "files/stores/connection_test.h"
#include "store_fixture.h"

namespace fluxgate::files {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

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

TEST_F(ConnectionTest, SaysItOfTheS3SideToo) {
  start();
  S3Settings wrong{.endpoint = cos_->base_url()};
  wrong.bucket = "studio-1250000000";
  wrong.region = "eu-west-1";
  wrong.credentials = settings().credentials;
  const auto open_s3 = [&] { return *make_store(wrong, parts(*client_)); };
  EXPECT_EQ(fetch(*open_s3()->presigned_get("a", {}))->status, 400) << "a link cannot learn";
  const auto report = wait(open_s3()->test());
  EXPECT_EQ(report.failure_code, "store_region_wrong");
  EXPECT_THAT(report.steps.back().message.en, HasSubstr("in ap-guangzhou, not in eu-west-1"));
  const auto store = open_s3();
  EXPECT_EQ(code(wait(store->head("nothing"))), "object_missing") << "HEAD is told by a header alone";
  EXPECT_TRUE(put(*store, "a", "hello"));
  EXPECT_EQ(fetch(*store->presigned_get("a", {}))->body, "hello") << "it has learned";
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
  auto report = try_out(wrong);
  EXPECT_EQ(report.failure_code, "store_key_rejected");
  EXPECT_THAT(report.steps.back().message.en, HasSubstr("check secret_key"));
  wrong = settings();
  wrong.credentials.id += "x";
  report = try_out(wrong);
  EXPECT_EQ(report.failure_code, "store_key_rejected");
  EXPECT_THAT(report.steps.back().message.en, HasSubstr("check secret_id"));
  EXPECT_THAT(report.steps.back().message.en, HasSubstr("InvalidAccessKeyId"));
}

TEST_F(ConnectionTest, MeasuresTheClock) {
  start();
  clock_.shift(-3'600'000);
  const auto report = try_out();
  EXPECT_TRUE(report.ok) << "corrected, but said";
  ASSERT_TRUE(report.clock_offset_ms);
  EXPECT_NEAR(static_cast<double>(*report.clock_offset_ms), 3'600'000, 60'000);
  EXPECT_EQ(report.steps.back().name, "clock");
  EXPECT_THAT(summary(report).en, HasSubstr("written, read and deleted. This server's clock is 3"));
  EXPECT_THAT(summary(report).en, HasSubstr("behind the store's"));
  clock_.shift(0);
  EXPECT_THAT(summary(try_out()).en, Not(HasSubstr("clock")));
}

TEST_F(ConnectionTest, NamesTheStepAtWhichTheLineBreaks) {
  start({.faults = {"get-truncated"}});
  const auto report = try_out();
  ASSERT_EQ(report.steps.size(), 3u);
  EXPECT_EQ(report.steps[2].name, "read") << "it was reached before";
  EXPECT_FALSE(report.steps[2].ok);
}

// A web server where the store should be.
TEST_F(ConnectionTest, SeesThatThisIsNoStore) {
  start();
  for (const auto& [line, status] : {std::pair{"404 Not Found", "404"}, {"501 Not Implemented", "501"}, {"301 Moved Permanently", "301"}, {"403 Forbidden", "403"}}) {
    net::TestServer server(io_, [line](net::TestServer::Peer& peer) -> awaitable<void> {
      co_await peer.request();
      co_await peer.send(fmt::format("HTTP/1.1 {}\r\nContent-Length: 6\r\n\r\n<html>", line));
    });
    auto elsewhere = settings();
    elsewhere.endpoint = server.origin();
    const auto report = try_out(elsewhere);
    ASSERT_EQ(report.steps.size(), 2u) << line;
    EXPECT_EQ(report.steps[1].name, "write");
    EXPECT_THAT(summary(report).en, HasSubstr(fmt::format("answers with status {}, but not as an object store", status)));
  }
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
  EXPECT_THAT(summary(report).en, HasSubstr("does not speak TLS there"));

  unreachable.endpoint = cos_->base_url();
  cos_->stop();
  report = try_out(unreachable);
  EXPECT_EQ(report.failure_code, "store_unreachable");
  EXPECT_THAT(report.steps[0].message.en, HasSubstr("refuses the connection"));
}

}  // namespace
}  // namespace fluxgate::files

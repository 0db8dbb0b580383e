// What is peculiar to S3: addressing, regions, payloads. A server that is not ours is met in tests/compat.
#include "../../net/test_server.h"
#include "store_fixture.h"

namespace fluxgate::files {
namespace {

using net::TestServer;
using ::testing::HasSubstr;
using ::testing::Not;

class S3Test : public StoreTest {
 protected:
  static S3Settings settings(std::string endpoint) {
    S3Settings settings{.endpoint = std::move(endpoint)};
    settings.bucket = "studio";
    settings.credentials = {"id", "secret"};
    return settings;
  }
  std::unique_ptr<Store> open(S3Settings settings) {
    auto store = make_store(std::move(settings), parts(*client_));
    EXPECT_TRUE(store) << code(store);
    return std::move(*store);
  }
  std::string link(S3Settings settings) {
    return open(std::move(settings))->presigned_get("a b.png", {})->url;
  }

  // Answers with one script after the other, and keeps the requests.
  TestServer::Script answers(std::vector<std::string> script) {
    return [this, script = std::move(script)](TestServer::Peer& peer) -> awaitable<void> {
      while (true) {
        std::string request = co_await peer.request();
        if (request.empty()) co_return;
        requests_.push_back(request);
        co_await peer.send(script[std::min(requests_.size(), script.size()) - 1]);
      }
    };
  }
  std::vector<std::string> requests_;
};

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n";

TEST_F(S3Test, PutsTheBucketWhereTheEndpointWantsIt) {
  EXPECT_THAT(link(settings("https://s3.eu-central-1.amazonaws.com")),
              HasSubstr("https://studio.s3.eu-central-1.amazonaws.com/a%20b.png?"));
  EXPECT_THAT(link(settings("http://minio.local:9000")),
              HasSubstr("http://minio.local:9000/studio/a%20b.png?"));
  EXPECT_THAT(link(settings("http://127.0.0.1")), HasSubstr("http://127.0.0.1/studio/a%20b.png?"));
  EXPECT_THAT(link(settings("https://cos.ap-guangzhou.myqcloud.com")),
              HasSubstr("https://studio.cos.ap-guangzhou.myqcloud.com/a%20b.png?"));
  auto dotted = settings("https://s3.amazonaws.com");
  dotted.bucket = "studio.example";
  EXPECT_THAT(link(dotted), HasSubstr("https://s3.amazonaws.com/studio.example/a%20b.png?"));
  auto forced = settings("http://minio.local:9000");
  forced.addressing = Addressing::virtual_host;
  EXPECT_THAT(link(forced), HasSubstr("http://studio.minio.local:9000/a%20b.png?"));
  forced.link_base = "https://cdn.example.com";
  EXPECT_EQ(link(forced), "https://cdn.example.com/a%20b.png");
}

TEST_F(S3Test, SignsThePayloadOverPlainHttp) {
  TestServer server(io_, answers({std::string(kOk)}));
  ASSERT_TRUE(put(*open(settings(server.origin())), "a", "hello"));
  EXPECT_THAT(requests_.back(), HasSubstr("x-amz-content-sha256: " + crypto::sha256_hex("hello")));
  EXPECT_THAT(requests_.back(), HasSubstr("Content-MD5: XUFAKrxLKna5cZ2REBfFkg=="));
  auto unsigned_payload = settings(server.origin());
  unsigned_payload.payload = Payload::unsigned_;
  ASSERT_TRUE(put(*open(unsigned_payload), "a", "hello"));
  EXPECT_THAT(requests_.back(), HasSubstr("x-amz-content-sha256: UNSIGNED-PAYLOAD"));
  EXPECT_THAT(requests_.back(), Not(HasSubstr("x-amz-acl"))) << "many buckets refuse it";
}

TEST_F(S3Test, FollowsTheBucketToItsRegionOnceAndRemembers) {
  const std::string body = "<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>";
  const std::string elsewhere =
      fmt::format("HTTP/1.1 301 Moved\r\nx-amz-bucket-region: eu-central-1\r\nContent-Length: {}\r\n\r\n{}",
                  body.size(), body);
  TestServer server(io_, answers({elsewhere, std::string(kOk)}));
  const auto store = open(settings(server.origin()));
  ASSERT_TRUE(put(*store, "a", "hello"));
  ASSERT_EQ(requests_.size(), 2u);
  EXPECT_THAT(requests_[0], HasSubstr("/us-east-1/s3/"));
  EXPECT_THAT(requests_[1], HasSubstr("/eu-central-1/s3/"));
  ASSERT_TRUE(put(*store, "b", "hello"));
  EXPECT_THAT(requests_.back(), HasSubstr("/eu-central-1/s3/"));
  EXPECT_THAT(store->presigned_get("a", {})->url, HasSubstr("%2Feu-central-1%2Fs3"));
}

TEST_F(S3Test, GivesUpWhenTheNewRegionIsWrongToo) {
  const std::string body =
      "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
  TestServer server(
      io_, answers({fmt::format("HTTP/1.1 400 Bad\r\nContent-Length: {}\r\n\r\n{}", body.size(), body)}));
  EXPECT_EQ(code(put(*open(settings(server.origin())), "a", "hello")), "store_region_wrong");
  EXPECT_EQ(requests_.size(), 2u);
  const auto report = wait(open(settings(server.origin()))->test());
  EXPECT_EQ(report.failure_code, "store_region_wrong");
  EXPECT_THAT(report.steps.back().message.en, HasSubstr("in eu-west-1, not in us-east-1"));
}

TEST_F(S3Test, SendsSessionTokensAndWhatIsConfiguredForObjects) {
  TestServer server(io_, answers({std::string(kOk)}));
  auto full = settings(server.origin());
  full.credentials.token = "tok+en";
  full.storage_class = "STANDARD_IA";
  full.acl = "private";
  ASSERT_TRUE(put(*open(full), "a", "hello"));
  for (std::string_view line : {"x-amz-security-token: tok+en", "x-amz-storage-class: STANDARD_IA",
                                "x-amz-acl: private", "Cache-Control: public, max-age=31536000, immutable"})
    EXPECT_THAT(requests_.back(), HasSubstr(std::string(line)));
}

// The client is destroyed while a call waits: the call ends, nothing is tried again.
TEST_F(S3Test, EndsAtOnceWhenTheClientGoes) {
  TestServer server(io_, [this](TestServer::Peer& peer) -> awaitable<void> {
    co_await peer.request();
    client_.reset();
    co_await peer.linger();
  });
  EXPECT_EQ(code(put(*open(settings(server.origin())), "a", "hello")), "store_stopped");
  EXPECT_EQ(server.connections(), 1);
}

// The client is about to go while a run waits for its next try: there is none, and nobody waits for it.
TEST_F(S3Test, GivesUpItsNextTryWhenTheClientIsAboutToGo) {
  TestServer server(io_, answers({"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"}));
  StoreParts hurried = parts(*client_);
  hurried.first_pause_ms = 1'000'000;
  int asked = 0;
  hurried.ending = [&] { return ++asked > 2; };  // not before the first try, nor when the pause begins
  auto store = make_store(settings(server.origin()), hurried);
  ASSERT_TRUE(store);
  EXPECT_EQ(code(put(**store, "a", "hello")), "store_stopped");
  EXPECT_EQ(requests_.size(), 1u);
}

}  // namespace
}  // namespace fluxgate::files

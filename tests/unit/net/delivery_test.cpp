// How far a request came: what paid requests and their repetition rest on.
#include "client_fixture.h"

namespace fluxgate::net {
namespace {

// Counts POSTs; answers GETs, and closes on a POST once its body is in.
struct CountingServer {
  int posts = 0;
  TestServer server;

  explicit CountingServer(boost::asio::io_context& io)
      : server(io, [this](TestServer::Peer& peer) -> awaitable<void> {
          while (true) {
            std::string request = co_await peer.request();
            if (request.starts_with("POST")) ++posts;
            if (!request.starts_with("GET")) co_return;
            co_await peer.answer(200, "", "ok");
          }
        }) {}
};

TEST_F(ClientTest, PostsOnceToAServerThatTakesTheBodyAndCloses) {
  CountingServer counting(io_);
  const auto reply = post(counting.server.url(), "pay", once());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::closed);
  EXPECT_EQ(reply.error().sent, Sent::maybe);
  EXPECT_EQ(counting.posts, 1);
}

TEST_F(ClientTest, PostsOnceThoughAnIdleConnectionIsAtHand) {
  CountingServer counting(io_);
  ASSERT_TRUE(get(counting.server.url()));
  const auto reply = post(counting.server.url(), "pay", once());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().sent, Sent::maybe);
  EXPECT_EQ(counting.posts, 1);
  EXPECT_EQ(counting.server.connections(), 2);
}

// Why exactly_once exists. If curl ever stops doing this, the option may become cheaper.
TEST_F(ClientTest, PostsTwiceOnADyingIdleConnectionWithoutExactlyOnce) {
  CountingServer counting(io_);
  ASSERT_TRUE(get(counting.server.url()));
  const auto reply = post(counting.server.url(), "free");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().sent, Sent::maybe);
  EXPECT_EQ(counting.posts, 2);
}

TEST_F(ClientTest, UsesTheConnectionOfAPaidRequestForNothingElse) {
  TestServer server(io_, echo);
  ASSERT_TRUE(post(server.url(), "a", once()));
  ASSERT_TRUE(post(server.url(), "b", once()));
  ASSERT_TRUE(get(server.url()));
  EXPECT_EQ(server.connections(), 3);
}

TEST_F(ClientTest, FollowsNoRedirectOfAPaidRequest) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> {
    co_await peer.request();
    co_await peer.answer(307, "Location: /again\r\n", "");
  });
  auto options = once();
  options.max_redirects = 5;
  const auto reply = post(server.url(), "pay", options);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 307);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, DoesNotRepeatAPaidRequestAfter417) {
  int requests = 0;
  TestServer server(io_, [&](Peer& peer) -> awaitable<void> {
    while (true) {
      std::string request = co_await peer.request();
      if (request.empty()) co_return;
      ++requests;
      co_await peer.answer(417, "", "");
    }
  });
  const auto reply = post(server.url(), std::string(2 * 1024 * 1024, 'x'), once());
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 417);
  EXPECT_EQ(requests, 1);
}

TEST_F(ClientTest, KnowsThatARefusedConnectionCarriedNothing) {
  std::string url;
  {
    TestServer closed(io_, echo);
    url = closed.url();
  }
  const auto reply = post(url, "pay", once());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::connect);
  EXPECT_EQ(reply.error().sent, Sent::no);
}

TEST_F(ClientTest, KnowsThatAnUnknownNameCarriedNothing) {
  const auto reply = post("http://name.invalid/", "pay", once());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().sent, Sent::no);
}

TEST_F(ClientTest, DoubtsAfterAReset) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> {
    co_await peer.request();
    peer.reset();
  });
  const auto reply = post(server.url(), "pay", once());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::closed);
  EXPECT_EQ(reply.error().sent, Sent::maybe);
}

TEST_F(ClientTest, DoubtsWhenTheServerHangsUpInTheMiddleOfTheBody) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> {
    std::array<char, 4096> some{};
    boost::system::error_code ignored;
    co_await peer.socket.async_read_some(boost::asio::buffer(some),
                                         boost::asio::redirect_error(use_awaitable, ignored));
    peer.reset();
  });
  const auto reply = post(server.url(), std::string(8 * 1024 * 1024, 'x'), once());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().sent, Sent::maybe);
}

TEST_F(ClientTest, KnowsThatAFailedHandshakeCarriedNothing) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> {
    std::array<char, 4096> hello{};
    boost::system::error_code ignored;
    co_await peer.socket.async_read_some(boost::asio::buffer(hello),
                                         boost::asio::redirect_error(use_awaitable, ignored));
    co_await peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  const auto reply = post(fmt::format("https://127.0.0.1:{}/", server.port()), "pay", once());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::tls);
  EXPECT_EQ(reply.error().sent, Sent::no);
}

TEST_F(ClientTest, KnowsThatAHandshakeThatNeverEndsCarriedNothing) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> { co_await peer.linger(); });
  auto options = once();
  options.connect_timeout = std::chrono::milliseconds(100);
  const auto reply = post(fmt::format("https://127.0.0.1:{}/", server.port()), "pay", options);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::timeout);
  EXPECT_EQ(reply.error().sent, Sent::no);
}

TEST_F(ClientTest, DoubtsWhenTheWholeCallTakesTooLong) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> { co_await peer.linger(); });
  auto options = once();
  options.timeout = std::chrono::milliseconds(100);
  const auto reply = post(server.url(), "pay", options);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::timeout);
  EXPECT_EQ(reply.error().sent, Sent::maybe);
}

TEST_F(ClientTest, GivesUpOnALineThatFallsSilent) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> {
    co_await peer.request();
    co_await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
    co_await peer.linger();
  });
  CallOptions options;
  options.timeout = std::chrono::milliseconds(0);
  options.stall_timeout = std::chrono::milliseconds(100);
  const auto reply = get(server.url(), options);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::timeout);
  EXPECT_EQ(reply.error().sent, Sent::maybe);
}

TEST_F(ClientTest, NoticesABodyThatEndsTooSoon) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> {
    co_await peer.request();
    co_await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
  });
  const auto reply = get(server.url());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::closed);
}

TEST_F(ClientTest, WorksOnAfterEveryKindOfFailure) {
  CountingServer counting(io_);
  EXPECT_FALSE(post(counting.server.url(), "x", once()));
  EXPECT_TRUE(get(counting.server.url()));
}

}  // namespace
}  // namespace fluxgate::net

// What goes over the wire and comes back.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "client_fixture.h"

namespace fluxgate::net {
namespace {

TEST_F(ClientTest, BringsStatusHeadersAndBody) {
  TestServer server(io_, echo);
  const auto reply = get(server.url("/path?x=1"));
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->header("x-mixed-case"), "Yes");
  EXPECT_TRUE(reply->body.starts_with("GET /path?x=1 HTTP/1.1\r\n"));
  EXPECT_TRUE(reply->body.contains("User-Agent: fluxgate/"));
}

TEST_F(ClientTest, SendsHeadersAsGivenAndNoneOfItsOwnForTheBody) {
  TestServer server(io_, echo);
  const auto reply = call({"PUT", server.url(), {{"Authorization", "Key a:b"}, {"X-Empty", ""}}, "{}"});
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->body.starts_with("PUT / HTTP/1.1"));
  EXPECT_TRUE(reply->body.contains("\r\nAuthorization: Key a:b\r\n"));
  EXPECT_TRUE(reply->body.contains("\r\nX-Empty:"));
  EXPECT_FALSE(reply->body.contains("Content-Type"));
  EXPECT_TRUE(reply->body.ends_with("\r\n\r\n{}"));
}

TEST_F(ClientTest, SendsLargeBodiesAtOnceWithoutExpect) {
  TestServer server(io_, echo);
  const std::string body(3 * 1024 * 1024, 'b');
  const auto reply = post(server.url(), body);
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_TRUE(reply->body.ends_with("\r\n\r\n" + body));
  EXPECT_FALSE(reply->body.contains("Expect"));
}

TEST_F(ClientTest, SendsAnEmptyPostWithALength) {
  TestServer server(io_, echo);
  const auto reply = post(server.url(), "");
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->body.contains("\r\nContent-Length: 0\r\n"));
}

TEST_F(ClientTest, ReadsNoBodyAfterHead) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> {
    co_await peer.request();
    co_await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
    co_await peer.linger();
  });
  const auto reply = call({.method = "HEAD", .url = server.url()});
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(reply->header("content-length"), "99999999999");
}

TEST_F(ClientTest, PassesOverInterimAnswers) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> {
    co_await peer.request();
    co_await peer.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    co_await peer.answer(201, "", "made");
  });
  const auto reply = get(server.url());
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 201);
  EXPECT_EQ(reply->header("link"), "");
  EXPECT_EQ(reply->body, "made");
}

TEST_F(ClientTest, ReusesConnections) {
  TestServer server(io_, echo);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(get(server.url()));
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, RunsManyCallsAtOnceOnFewConnections) {
  make_client({.max_connections = 4});
  TestServer server(io_, echo);
  int ended = 0;
  for (int i = 0; i < 200; ++i)
    boost::asio::co_spawn(io_, client_->call({.url = server.url()}, {}),
                          [&](std::exception_ptr, Reply reply) {
                            EXPECT_TRUE(reply);
                            ++ended;
                          });
  while (ended < 200) io_.run_one();
  EXPECT_LE(server.connections(), 4);
}

TEST_F(ClientTest, RefusesRequestsThatBreakOutOfTheirLines) {
  for (const HttpRequest& request :
       {HttpRequest{"GET", "http://127.0.0.1:1/", {{"A", "b\r\nC: d"}}, ""},
        HttpRequest{"GET", "http://127.0.0.1:1/", {{"A\n", "b"}}, ""},
        HttpRequest{"GET", "http://127.0.0.1:1/", {{"", "b"}}, ""},
        HttpRequest{"GET /\r\n", "http://127.0.0.1:1/", {}, ""},
        HttpRequest{"GET", "http://127.0.0.1:1/\r\nA: b", {}, ""},
        HttpRequest{"GET", "ftp://127.0.0.1/", {}, ""}, HttpRequest{"GET", "not a url", {}, ""}}) {
    const auto reply = call(request);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, Kind::bad_url);
    EXPECT_EQ(reply.error().sent, Sent::no);
  }
}

TEST_F(ClientTest, KeepsItsDetailFreeOfPathsAndQueries) {
  const auto reply = get("http://127.0.0.1:1/secret?token=hidden");
  ASSERT_FALSE(reply);
  EXPECT_FALSE(reply.error().detail.contains("hidden"));
  EXPECT_FALSE(reply.error().detail.contains("secret"));
}

// ---- sizes ----

TestServer::Script with_body(std::size_t size, bool chunked) {
  return [size, chunked](TestServer::Peer& peer) -> awaitable<void> {
    co_await peer.request();
    const std::string body(size, 'x');
    if (chunked) {
      co_await peer.send(fmt::format(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n", size, body));
    } else {
      co_await peer.answer(200, "", body);
    }
    co_await peer.linger();
  };
}

TEST_F(ClientTest, TakesABodyUpToTheLimitAndNotOneByteMore) {
  for (const bool chunked : {false, true}) {
    for (const bool sunk : {false, true}) {
      std::string taken;
      CallOptions options;
      options.max_body = 1000;
      if (sunk) options.sink = [&](std::string_view piece) { return taken.append(piece), true; };
      TestServer exact(io_, with_body(1000, chunked));
      const auto whole = get(exact.url(), options);
      ASSERT_TRUE(whole) << whole.error().detail;
      EXPECT_EQ((sunk ? taken : whole->body).size(), 1000u);
      TestServer beyond(io_, with_body(1001, chunked));
      const auto refused = get(beyond.url(), options);
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().kind, Kind::too_large);
      EXPECT_EQ(refused.error().sent, Sent::maybe);
    }
  }
}

TEST_F(ClientTest, RefusesAnAnnouncedLengthBeforeTheFirstPiece) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> {
    co_await peer.request();
    co_await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n");
    co_await peer.linger();
  });
  CallOptions options;
  options.max_body = 1000;
  EXPECT_EQ(get(server.url(), options).error().kind, Kind::too_large);
}

TEST_F(ClientTest, RefusesAnEndlessHead) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> {
    co_await peer.request();
    co_await peer.send("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 400; ++i) co_await peer.send("X-Long: " + std::string(1000, 'x') + "\r\n");
    co_await peer.linger();
  });
  const auto reply = get(server.url());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::too_large);
}

// ---- sink and head ----

TEST_F(ClientTest, GivesHeadThenPiecesToTheReceiver) {
  TestServer server(io_, with_body(300'000, true));
  std::string order;
  std::size_t taken = 0;
  CallOptions options;
  options.on_head = [&](const HttpResponse& head) {
    order += 'h';
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.header("transfer-encoding"), "chunked");
    return true;
  };
  options.sink = [&](std::string_view piece) {
    if (taken == 0) order += 's';
    taken += piece.size();
    return true;
  };
  const auto reply = get(server.url(), options);
  ASSERT_TRUE(reply);
  EXPECT_EQ(order, "hs");
  EXPECT_EQ(taken, 300'000u);
  EXPECT_TRUE(reply->body.empty());
}

TEST_F(ClientTest, StopsWhenTheReceiverSaysSo) {
  TestServer server(io_, with_body(300'000, false));
  CallOptions at_head, at_piece;
  int pieces = 0;
  at_head.on_head = [](const HttpResponse&) { return false; };
  at_head.sink = [&](std::string_view) { return ++pieces > 0; };
  EXPECT_EQ(get(server.url(), at_head).error().kind, Kind::sink);
  EXPECT_EQ(pieces, 0);
  at_piece.sink = [&](std::string_view) { return ++pieces > 1; };
  EXPECT_EQ(get(server.url(), at_piece).error().kind, Kind::sink);
  EXPECT_EQ(pieces, 1);
}

TEST_F(ClientTest, ThrowsWhatTheReceiverThrows) {
  TestServer server(io_, with_body(10, false));
  CallOptions options;
  options.sink = [](std::string_view) -> bool { throw std::runtime_error("disk"); };
  EXPECT_THROW(get(server.url(), options), std::runtime_error);
}

TEST_F(ClientTest, CollectsAnErrorsBodyInsteadOfSinkingItAndCutsItAt64KiB) {
  for (const std::size_t size :
       {std::size_t{5}, std::size_t{64 * 1024}, std::size_t{64 * 1024 + 1}, std::size_t{5'000'000}}) {
    TestServer server(io_, [size](Peer& peer) -> awaitable<void> {
      co_await peer.request();
      co_await peer.answer(404, "", std::string(size, 'e'));
    });
    CallOptions options;
    options.sink = [](std::string_view) { return ADD_FAILURE(), true; };
    const auto reply = get(server.url(), options);
    ASSERT_TRUE(reply) << reply.error().detail;
    EXPECT_EQ(reply->status, 404);
    EXPECT_EQ(reply->body.size(), std::min<std::size_t>(size, 64 * 1024));
  }
}

// ---- the end of a client, and of a patient caller ----

TEST_F(ClientTest, EndsCallsUnderWayWhenItIsDestroyed) {
  bool asked = false;
  TestServer server(io_, [&](Peer& peer) -> awaitable<void> {
    co_await peer.request();
    asked = true;
    co_await peer.linger();
  });
  std::optional<Reply> waiting, late;
  auto keep = [](std::optional<Reply>& to) {
    return [&to](std::exception_ptr, Reply reply) { to = std::move(reply); };
  };
  boost::asio::co_spawn(io_, client_->call({.url = server.url()}, {}), keep(waiting));
  auto never_started = client_->call({.url = server.url()}, {});
  while (!asked) io_.run_one();
  client_.reset();
  boost::asio::co_spawn(io_, std::move(never_started), keep(late));
  while (!waiting || !late) io_.run_one();
  EXPECT_EQ(waiting->error().kind, Kind::cancelled);
  EXPECT_EQ(waiting->error().sent, Sent::maybe);
  EXPECT_EQ(late->error().kind, Kind::cancelled);
  EXPECT_EQ(late->error().sent, Sent::no);
}

TEST_F(ClientTest, ClosesTheConnectionOfACancelledCall) {
  bool asked = false, gone = false;
  TestServer server(io_, [&](Peer& peer) -> awaitable<void> {
    co_await peer.request();
    asked = true;
    co_await peer.linger();
    gone = true;
  });
  boost::asio::cancellation_signal cancel;
  std::optional<Reply> reply;
  boost::asio::co_spawn(
      io_, client_->call({.url = server.url()}, {}),
      boost::asio::bind_cancellation_slot(
          cancel.slot(), [&](std::exception_ptr, Reply result) { reply = std::move(result); }));
  while (!asked) io_.run_one();
  cancel.emit(boost::asio::cancellation_type::terminal);
  while (!reply || !gone) io_.run_one();
  EXPECT_EQ(reply->error().kind, Kind::cancelled);
}

TEST(Client, LeavesNothingBehindWhenTheContextEndsFirstForTheCaller) {
  boost::asio::io_context io;
  auto client = make_http_client(io);
  TestServer server(io, [](TestServer::Peer& peer) -> awaitable<void> { co_await peer.linger(); });
  boost::asio::co_spawn(io, client->call({.url = server.url()}, {}), [](std::exception_ptr, Reply) {});
  while (server.connections() == 0) io.run_one();
}  // the coroutine's frame dies with the context; ASan watches

}  // namespace
}  // namespace fluxgate::net

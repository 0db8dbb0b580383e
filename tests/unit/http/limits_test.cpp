#include <gtest/gtest.h>

#include "client.h"

namespace fluxgate::http {
namespace {

using namespace test;
using namespace std::chrono_literals;

Router routes() {
  Router router;
  router.get("/hello", [](Request&) -> awaitable<Result<Response>> { co_return Response::text("hello"); });
  router.get("/big", [](Request&) -> awaitable<Result<Response>> {
    co_return Response::text(std::string(64'000'000, 'x'), "application/octet-stream");
  });
  router.post("/echo", [](Request& request) -> awaitable<Result<Response>> {
    auto body = co_await request.read_body(1000);
    if (!body) co_return fail(body.error());
    co_return Response::text(std::move(*body));
  });
  return router;
}

// Only the limit under test is short, so that no other one can end the connection first.
template <class Member>
ServerOptions quick(Member member) {
  ServerOptions options;
  options.threads = 1;
  options.*member = 60ms;
  return options;
}

TEST(TimeOut, ClosesAConnectionThatSaysNothing) {
  TestServer server(routes(), quick(&ServerOptions::idle_timeout));
  Client client(server.port());
  EXPECT_TRUE(client.is_closed());
}

TEST(TimeOut, ClosesAKeptConnectionThatIsNotUsed) {
  TestServer server(routes(), quick(&ServerOptions::idle_timeout));
  Client client(server.port());
  EXPECT_EQ("hello", client.ask(get("/hello")).body);
  EXPECT_TRUE(client.is_closed());
}

TEST(TimeOut, EndsAHeaderThatTakesTooLong) {
  TestServer server(routes(), quick(&ServerOptions::header_timeout));
  Client client(server.port());
  client.send("GET /hello HTTP/1.1\r\nHo");
  const Answer answer = client.read_answer();
  EXPECT_EQ(408, answer.status);
  EXPECT_EQ("close", answer.header("connection"));
  client.finish_sending();
  EXPECT_TRUE(client.is_closed());
}

TEST(TimeOut, EndsABodyThatStopsComing) {
  TestServer server(routes(), quick(&ServerOptions::body_timeout));
  Client client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_EQ(408, client.read_answer().status);
  client.finish_sending();
  EXPECT_TRUE(client.is_closed());
}

TEST(TimeOut, EndsAnAnswerThatNobodyReads) {
  TestServer server(routes(), quick(&ServerOptions::write_timeout));
  Client stuck(server.port());
  stuck.send(get("/big"));
  // The server's only thread is free for others, and the stuck connection ends short of its length.
  EXPECT_EQ("hello", server.ask(get("/hello")).body);
  server->stop(10s);
  EXPECT_LT(stuck.read_all().size(), 64'000'000u);
}

TEST(TimeOut, DoesNotDisturbAClientThatKeepsReading) {
  TestServer server(routes());
  Client client(server.port());
  EXPECT_EQ(64'000'000u, client.ask(get("/big")).body.size());
}

std::string get_of_size(std::size_t size) {
  const std::size_t fixed = get("/hello", "X: \r\n").size();
  return get("/hello", "X: " + std::string(size - fixed, 'x') + "\r\n");
}

TEST(HeaderLimit, HoldsExactlyHoweverTheHeaderArrives) {
  ServerOptions options;
  options.header_limit = 2000;
  TestServer server(routes(), options);
  EXPECT_EQ(200, server.ask(get_of_size(2000)).status);
  EXPECT_EQ(431, server.ask(get_of_size(2001)).status);
  for (const std::size_t size : {2000, 2001}) {
    Client client(server.port());
    const std::string request = get_of_size(size);
    for (std::size_t i = 0; i < request.size(); i += 7) client.send(std::string_view(request).substr(i, 7));
    EXPECT_EQ(size == 2000 ? 200 : 431, client.read_answer().status);
  }
}

TEST(HeaderLimit, CountsManySmallFieldsAndLongTargets) {
  TestServer server(routes());
  std::string fields;
  for (int i = 0; i < 3000; ++i) fields += "A: b\r\n";
  EXPECT_EQ(431, server.ask(get("/hello", fields)).status);
  EXPECT_EQ(431, server.ask(get("/" + std::string(20'000, 'x'))).status);
}

TEST(ConnectionLimit, IsToldWithA503) {
  ServerOptions options;
  options.max_connections = 1;
  TestServer server(routes(), options);
  Client first(server.port());
  EXPECT_EQ("hello", first.ask(get("/hello")).body);
  Client second(server.port());
  const Answer answer = second.ask(get("/hello"));
  EXPECT_EQ(503, answer.status);
  EXPECT_EQ("1", answer.header("retry-after"));
  EXPECT_EQ("hello", first.ask(get("/hello")).body);
}

struct Malformed {
  std::string_view name, request;
  int status = 400;
};

TEST(MalformedRequest, IsAnsweredAndTheConnectionClosed) {
  static constexpr Malformed kCorpus[] = {
      {"garbage", "\x01\x02\x03\r\n\r\n"},
      {"TLS hello", "\x16\x03\x01\x02\x05\x01\x01\xfc\x03\x03zzzzzzzz\r\n\r\n"},
      {"no version", "GET /hello\r\n\r\n"},
      {"wrong version", "GET /hello HTTP/2.0\r\nHost: a\r\n\r\n"},
      {"lower-case version", "GET /hello http/1.1\r\nHost: a\r\n\r\n"},
      {"space in target", "GET /hel lo HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"bad method", "G@T /hello HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"no target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"bare line feed", "GET /hello HTTP/1.1\nHost: a\n\n"},
      {"space before colon", "GET /hello HTTP/1.1\r\nHost : a\r\n\r\n"},
      {"no colon", "GET /hello HTTP/1.1\r\nHost: a\r\nbad\r\n\r\n"},
      {"empty name", "GET /hello HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"},
      {"NUL in value", std::string_view("GET /hello HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 39)},
      {"CR in value", "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"},
      {"no Host", "GET /hello HTTP/1.1\r\n\r\n"},
      {"two Hosts", "GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
      {"negative length", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"},
      {"signed length", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx"},
      {"hex length", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx"},
      {"huge length", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nx"},
      {"two lengths", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"},
      {"twice a length", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"},
      {"list of lengths", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx"},
      {"length and chunks",
       "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"chunks and length",
       "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"},
      {"gzip and length",
       "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"},
      {"chunks in 1.0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"twice chunked",
       "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n"},
      {"unknown coding", "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"smuggled coding", "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
       501},
      {"CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n"},
  };
  TestServer server(routes());
  for (const Malformed& row : kCorpus) {
    Client client(server.port());
    client.send(row.request);
    client.finish_sending();
    const Answer answer = client.read_answer();
    EXPECT_EQ(row.status, answer.status) << row.name;
    EXPECT_EQ("close", answer.header("connection")) << row.name;
    EXPECT_TRUE(client.is_closed()) << row.name;
  }
  EXPECT_EQ("hello", server.ask(get("/hello")).body);
}

TEST(Http10, IsAnsweredAndClosedUnlessTheClientAsksToStay) {
  TestServer server(routes());
  Client client(server.port());
  const Answer kept = client.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ("hello", kept.body);
  EXPECT_EQ("keep-alive", kept.header("connection"));
  const Answer last = client.ask("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_EQ("hello", last.body);
  EXPECT_EQ("close", last.header("connection"));
  EXPECT_TRUE(client.is_closed());
}

TEST(Http11, ClosesWhenAskedAndLetsEmptyLinesPassBetweenRequests) {
  TestServer server(routes());
  Client client(server.port());
  EXPECT_EQ("hello", client.ask("\r\n\r\n" + get("/hello")).body);
  EXPECT_EQ("hello", client.ask(get("/hello", "Connection: close\r\n")).body);
  EXPECT_TRUE(client.is_closed());
}

}  // namespace
}  // namespace fluxgate::http

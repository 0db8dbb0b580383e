#include <gtest/gtest.h>

#include "client.h"

namespace fluxgate::http {
namespace {

using namespace test;

constexpr std::size_t kLimit = 100'000;
constexpr std::string_view kExpect = "Expect: 100-continue\r\n";

Router routes() {
  Router router;
  router.post("/count", [](Request& request) -> awaitable<Result<Response>> {
    auto body = co_await request.read_body(kLimit);
    if (!body) co_return fail(body.error());
    co_return Response::text(std::to_string(body->size()));
  });
  router.post("/pieces", [](Request& request) -> awaitable<Result<Response>> {
    std::size_t size = 0;
    for (;;) {
      auto piece = co_await request.read_some(kLimit);
      if (!piece) co_return fail(piece.error());
      if (piece->empty()) break;
      size += piece->size();
    }
    co_return Response::text(std::to_string(size));
  });
  router.post("/refuse", [](Request&) -> awaitable<Result<Response>> {
    co_return fail(Errc::unauthorized, "no_token", {"no", "否"});
  });
  router.get("/hello", [](Request&) -> awaitable<Result<Response>> { co_return Response::text("hello"); });
  return router;
}

std::string post_head(std::string_view target, std::size_t length, std::string_view headers = "") {
  return fmt::format("POST {} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n{}\r\n", target, length,
                     headers);
}
std::string chunked(std::string_view target, std::string_view chunks) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{}", target,
                     chunks);
}

TEST(Body, IsReadUpToItsLimitAndNotBeyond) {
  TestServer server(routes());
  for (const std::string_view target : {"/count", "/pieces"}) {
    EXPECT_EQ("100000", server.ask(post(target, std::string(kLimit, 'x'))).body);
    const Answer answer = server.ask(post(target, std::string(kLimit + 1, 'x')));
    EXPECT_EQ(413, answer.status);
    EXPECT_EQ(R"({"code":"payload_too_large"})", answer.body);
    EXPECT_EQ("close", answer.header("connection"));
  }
}

TEST(Body, IsRefusedByItsAnnouncedLengthBeforeItIsSent) {
  TestServer server(routes());
  Client client(server.port());
  EXPECT_EQ(413, client.ask(post_head("/count", 10'000'000'000)).status);
  client.finish_sending();
  EXPECT_TRUE(client.is_closed());
}

TEST(Body, ArrivesInChunksWithExtensionsAndTrailers) {
  TestServer server(routes());
  Client client(server.port());
  EXPECT_EQ("8",
            client.ask(chunked("/count", "3\r\nabc\r\n5;ext=1\r\ndefgh\r\n0\r\nX-Trailer: 1\r\n\r\n")).body);
  EXPECT_EQ("0", client.ask(chunked("/pieces", "0\r\n\r\n")).body);
  for (const char c : chunked("/count", "1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\n")) client.send({&c, 1});
  EXPECT_EQ("11", client.read_answer().body);
  EXPECT_EQ("hello", client.ask(get("/hello")).body);
}

TEST(Body, HoldsItsLimitInChunksToo) {
  TestServer server(routes());
  const auto of_size = [](std::size_t size) {
    return chunked("/count", fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", size, std::string(size, 'x')));
  };
  EXPECT_EQ("100000", server.ask(of_size(kLimit)).body);
  EXPECT_EQ(413, server.ask(of_size(kLimit + 1)).status);
}

TEST(Body, ThatIsMalformedOrCutOffIsABadRequest) {
  TestServer server(routes());
  for (const std::string_view chunks :
       {"x\r\n", "3\r\nabcd\r\n", "-1\r\n", "fffffffffffffffff\r\n", "3\r\nabc\r\n"}) {
    Client client(server.port());
    client.send(chunked("/count", chunks));
    client.finish_sending();
    EXPECT_EQ(400, client.read_answer().status) << chunks;
    EXPECT_TRUE(client.is_closed()) << chunks;
  }
  Client client(server.port());
  client.send(post_head("/count", 10) + "half");
  client.finish_sending();
  const Answer answer = client.read_answer();
  EXPECT_EQ(400, answer.status);
  EXPECT_EQ(R"({"code":"body_incomplete"})", answer.body);
}

TEST(Body, WithAnEndlessChunkLineIsRefused) {
  TestServer server(routes());
  Client client(server.port());
  client.send(chunked("/count", "1;" + std::string(200'000, 'x')));
  EXPECT_EQ(400, client.read_answer().status);
}

TEST(Body, NobodyReadsIsSkippedWhenItIsSmall) {
  TestServer server(routes());
  Client client(server.port());
  const Answer answer = client.ask(post("/refuse", std::string(60'000, 'x')));
  EXPECT_EQ(401, answer.status);
  EXPECT_EQ("", answer.header("connection"));
  EXPECT_EQ("hello", client.ask(get("/hello")).body);
  EXPECT_EQ(401, client.ask(chunked("/refuse", "3\r\nabc\r\n0\r\n\r\n")).status);
  EXPECT_EQ("hello", client.ask(get("/hello")).body);
}

TEST(Body, NobodyReadsEndsTheConnectionWhenItIsLarge) {
  TestServer server(routes());
  Client client(server.port());
  client.send(post("/refuse", std::string(8'000'000, 'x')));  // all of it is sent before the answer is read
  const Answer answer = client.read_answer();
  EXPECT_EQ(401, answer.status);
  EXPECT_EQ("close", answer.header("connection"));
  EXPECT_TRUE(client.is_closed());
}

TEST(Expect, IsAnsweredWith100OnlyWhenTheHandlerReads) {
  TestServer server(routes());
  Client client(server.port());
  client.send(post_head("/count", 3, kExpect));
  EXPECT_EQ("HTTP/1.1 100 Continue\r\n\r\n", client.read_until("\r\n\r\n"));
  EXPECT_EQ("3", client.ask("abc").body);
  EXPECT_EQ("hello", client.ask(get("/hello")).body);
}

TEST(Expect, GetsTheFinalStatusAtOnceWhenTheBodyIsRefused) {
  TestServer server(routes());
  for (const auto& [head, status] : {std::pair(post_head("/refuse", 3, kExpect), 401),
                                     std::pair(post_head("/count", kLimit + 1, kExpect), 413),
                                     std::pair(post_head("/nothing", 3, kExpect), 404)}) {
    Client client(server.port());
    const Answer answer = client.ask(head);
    EXPECT_EQ(status, answer.status);
    EXPECT_EQ("close", answer.header("connection"));
    client.finish_sending();
    EXPECT_TRUE(client.is_closed());
  }
}

TEST(Expect, NeedsNo100WhenTheBodyCameAlong) {
  TestServer server(routes());
  EXPECT_EQ("3", server.ask(post_head("/count", 3, kExpect) + "abc").body);
}

TEST(Expect, OfSomethingElseIsRefused) {
  TestServer server(routes());
  EXPECT_EQ(417, server.ask(post_head("/count", 3, "Expect: tea\r\n")).status);
}

}  // namespace
}  // namespace fluxgate::http

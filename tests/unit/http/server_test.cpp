#include <gtest/gtest.h>

#include "client.h"

namespace fluxgate::http {
namespace {

using namespace test;

awaitable<Result<Response>> say_hello(Request&) { co_return Response::text("hello"); }

awaitable<Result<Response>> echo(Request& request) {
  auto body = co_await request.read_body(1024 * 1024);
  if (!body) co_return fail(body.error());
  co_return Response::text(std::move(*body));
}

Router basic_routes() {
  Router router;
  router.get("/hello", say_hello);
  router.post("/echo", echo);
  router.get("/who/{name}/{n:int}", [](Request& request) -> awaitable<Result<Response>> {
    co_return Response::text(fmt::format("{} {}", request.param("name"), request.param("n")));
  });
  router.get("/throw", [](Request&) -> awaitable<Result<Response>> {
    throw std::runtime_error("a bug");
    co_return Response::no_content();
  });
  return router;
}

TEST(Server, AnswersAGetWithLengthDateAndRequestId) {
  TestServer server(basic_routes());
  const Answer answer = server.ask(get("/hello"));
  EXPECT_EQ(200, answer.status);
  EXPECT_EQ("hello", answer.body);
  EXPECT_EQ("5", answer.header("content-length"));
  EXPECT_EQ("text/plain; charset=utf-8", answer.header("content-type"));
  EXPECT_TRUE(answer.header("date").ends_with(" GMT"));
  EXPECT_FALSE(answer.header("x-request-id").empty());
  EXPECT_EQ("", answer.header("connection"));
}

TEST(Server, KeepsTheConnectionForTheNextRequest) {
  TestServer server(basic_routes());
  Client client(server.port());
  for (int i = 0; i < 3; ++i) EXPECT_EQ("hello", client.ask(get("/hello")).body);
  EXPECT_EQ("abc", client.ask(post("/echo", "abc")).body);
  EXPECT_EQ("hello", client.ask(get("/hello")).body);
}

TEST(Server, AnswersPipelinedRequestsInTheirOrder) {
  TestServer server(basic_routes());
  Client client(server.port());
  std::string requests;
  for (int i = 0; i < 50; ++i)
    requests += get(fmt::format("/who/me/{}", i)) + post("/echo", std::to_string(i));
  client.send(requests);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(fmt::format("me {}", i), client.read_answer().body);
    EXPECT_EQ(std::to_string(i), client.read_answer().body);
  }
}

TEST(Server, AnswersARequestThatArrivesByteByByte) {
  TestServer server(basic_routes());
  Client client(server.port());
  for (const char c : post("/echo", "drop by drop")) client.send(std::string_view(&c, 1));
  EXPECT_EQ("drop by drop", client.read_answer().body);
}

TEST(Server, ServesOnAfterAHandlerThrew) {
  TestServer server(basic_routes());
  Client client(server.port());
  const Answer answer = client.ask(get("/throw"));
  EXPECT_EQ(500, answer.status);
  EXPECT_EQ(R"({"code":"internal"})", answer.body);
  EXPECT_EQ("hello", client.ask(get("/hello")).body);
}

}  // namespace
}  // namespace fluxgate::http

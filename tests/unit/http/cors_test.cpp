#include <gtest/gtest.h>

#include "client.h"

namespace fluxgate::http {
namespace {

using namespace test;

Router routes() {
  Router router;
  router.get("/x", [](Request&) -> awaitable<Result<Response>> { co_return Response::text("x"); });
  router.del("/x", [](Request&) -> awaitable<Result<Response>> { co_return Response::no_content(); });
  return router;
}

ServerOptions allowing(std::vector<std::string> origins) {
  ServerOptions options;
  options.cors_origins = std::move(origins);
  options.cors_expose = {"X-Request-Id", "ETag"};
  return options;
}

constexpr std::string_view kOrigin = "Origin: https://app.example\r\n";
constexpr std::string_view kPreflight =
    "OPTIONS /x HTTP/1.1\r\nHost: test\r\nOrigin: https://app.example\r\n"
    "Access-Control-Request-Method: DELETE\r\nAccess-Control-Request-Headers: authorization\r\n\r\n";

TEST(Cors, IsAbsentUnlessConfigured) {
  TestServer server(routes());
  EXPECT_EQ("", server.ask(get("/x", kOrigin)).header("access-control-allow-origin"));
  EXPECT_EQ("", server.ask(kPreflight).header("access-control-allow-methods"));
}

TEST(Cors, AllowsAListedOriginWithCredentialsOnEveryAnswer) {
  TestServer server(routes(), allowing({"https://other.example", "https://app.example"}));
  for (const std::string_view target : {"/x", "/nothing"}) {
    const Answer answer = server.ask(get(target, kOrigin));
    EXPECT_EQ("https://app.example", answer.header("access-control-allow-origin"));
    EXPECT_EQ("true", answer.header("access-control-allow-credentials"));
    EXPECT_EQ("X-Request-Id, ETag", answer.header("access-control-expose-headers"));
    EXPECT_EQ("Origin", answer.header("vary"));
  }
}

TEST(Cors, SaysNothingToOtherOrigins) {
  TestServer server(routes(), allowing({"https://app.example"}));
  const Answer answer = server.ask(get("/x", "Origin: https://evil.example\r\n"));
  EXPECT_EQ(200, answer.status);
  EXPECT_EQ("", answer.header("access-control-allow-origin"));
  EXPECT_EQ("Origin", answer.header("vary"));
}

TEST(Cors, AllowsAnyOriginWithoutCredentials) {
  TestServer server(routes(), allowing({"*"}));
  const Answer answer = server.ask(get("/x", kOrigin));
  EXPECT_EQ("*", answer.header("access-control-allow-origin"));
  EXPECT_EQ("", answer.header("access-control-allow-credentials"));
}

TEST(Cors, AnswersAPreflightFromTheRoutes) {
  TestServer server(routes(), allowing({"https://app.example"}));
  const Answer answer = server.ask(kPreflight);
  EXPECT_EQ(204, answer.status);
  EXPECT_EQ("https://app.example", answer.header("access-control-allow-origin"));
  EXPECT_EQ("GET, HEAD, DELETE, OPTIONS", answer.header("access-control-allow-methods"));
  EXPECT_EQ("authorization", answer.header("access-control-allow-headers"));
  EXPECT_EQ("600", answer.header("access-control-max-age"));
}

}  // namespace
}  // namespace fluxgate::http

#include <gtest/gtest.h>

#include "client.h"

namespace fluxgate::http {
namespace {

using namespace test;

// Answers with the method, a name for the route and its parameters.
Handler named(std::string name, std::vector<std::string> params = {}) {
  return
      [name = std::move(name), params = std::move(params)](Request& request) -> awaitable<Result<Response>> {
        std::string out = name;
        for (const std::string& param : params) out += fmt::format(" {}={}", param, request.param(param));
        co_return Response::text(std::move(out));
      };
}

Router table() {
  Router router;
  router.get("/", named("root"));
  router.get("/task/history", named("history"));
  router.get("/task/{id}", named("task", {"id"}));
  router.del("/task/{id}", named("delete", {"id"}));
  router.get("/task/{id}/file/{n:int}", named("number", {"id", "n"}));
  router.get("/task/{id}/file/{name}", named("name", {"id", "name"}));
  router.get("/static/{path:rest}", named("static", {"path"}));
  router.get("/static/index.html", named("index"));
  router.post("/a/b", named("post"));
  router.get("/a/{x}/c", named("deep", {"x"}));
  return router;
}

struct Row {
  std::string_view target;
  int status;
  std::string_view body;
};

TEST(Router, FindsTheMostExactRoute) {
  TestServer server(table());
  static constexpr Row kRows[] = {
      {"/", 200, "root"},
      {"/task/history", 200, "history"},
      {"/task/42", 200, "task id=42"},
      {"/task/42?history", 200, "task id=42"},
      {"/task/historyx", 200, "task id=historyx"},
      {"/task/1/file/12", 200, "number id=1 n=12"},
      {"/task/1/file/12x", 200, "name id=1 name=12x"},
      {"/task/1/file/-1", 200, "name id=1 name=-1"},
      {"/static/js/app.js", 200, "static path=js/app.js"},
      {"/static/", 200, "static path="},
      {"/static/index.html", 200, "index"},
      {"/static/index.html/", 200, "static path=index.html/"},
      {"/a/b/c", 200, "deep x=b"},
      {"/task/%E4%BD%A0", 200, "task id=你"},
      {"/task/a%2Fb", 200, "task id=a/b"},
      {"/%74ask/history", 200, "history"},
      {"http://other.example/task/7", 200, "task id=7"},
      {"http://other.example", 200, "root"},
  };
  Client client(server.port());
  for (const Row& row : kRows) {
    const Answer answer = client.ask(get(row.target));
    EXPECT_EQ(row.status, answer.status) << row.target;
    EXPECT_EQ(row.body, answer.body) << row.target;
  }
}

TEST(Router, SaysNotFoundForUnknownPaths) {
  TestServer server(table());
  Client client(server.port());
  for (const std::string_view target : {"/nothing", "/task", "/task/", "/task/1/", "/static", "/task/1/file",
                                        "/TASK/1", "//task/1", "/a/b/d"}) {
    const Answer answer = client.ask(get(target));
    EXPECT_EQ(404, answer.status) << target;
    EXPECT_EQ(R"({"code":"not_found"})", answer.body) << target;
  }
}

TEST(Router, RefusesPathsThatTryToEscape) {
  TestServer server(table());
  for (const std::string_view target :
       {"/static/../etc/passwd", "/static/%2e%2e/etc/passwd", "/static/..%2fetc", "/static/./x", "/task/%00",
        "/task/%zz", "/task/%e4%bd", "/task/\xff", "relative", "/with#fragment", "*"})
    EXPECT_EQ(400, server.ask(get(target)).status) << target;
}

TEST(Router, NamesTheAllowedMethods) {
  TestServer server(table());
  Client client(server.port());
  const Answer answer = client.ask("PUT /task/1 HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(405, answer.status);
  EXPECT_EQ(R"({"code":"method_not_allowed"})", answer.body);
  EXPECT_EQ("GET, HEAD, DELETE, OPTIONS", answer.header("allow"));
  EXPECT_EQ("POST, OPTIONS", client.ask(get("/a/b")).header("allow"));
}

TEST(Router, FindsAMethodOnALessExactRouteOfTheSamePath) {
  TestServer server(table());
  EXPECT_EQ("delete id=history", server.ask("DELETE /task/history HTTP/1.1\r\nHost: test\r\n\r\n").body);
}

TEST(Router, AnswersHeadLikeGetWithoutTheBody) {
  TestServer server(table());
  Client client(server.port());
  client.send("HEAD /task/42 HTTP/1.1\r\nHost: test\r\n\r\n");
  const Answer answer = client.read_answer(true);
  EXPECT_EQ(200, answer.status);
  EXPECT_EQ("10", answer.header("content-length"));
  EXPECT_EQ("root", client.ask(get("/")).body) << "no byte of a body followed the head";
  client.send("HEAD /a/b HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(405, client.read_answer(true).status);
  EXPECT_EQ("root", client.ask(get("/")).body);
}

TEST(Router, AnswersOptionsFromTheRoutes) {
  TestServer server(table());
  Client client(server.port());
  Answer answer = client.ask("OPTIONS /task/1 HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(204, answer.status);
  EXPECT_EQ("GET, HEAD, DELETE, OPTIONS", answer.header("allow"));
  answer = client.ask("OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(204, answer.status);
  EXPECT_NE("", answer.header("allow"));
  EXPECT_EQ(404, client.ask("OPTIONS /nothing HTTP/1.1\r\nHost: test\r\n\r\n").status);
}

TEST(Router, AsksTheFallbackForEveryOtherPath) {
  Router router = table();
  router.fallback(named("page"));
  TestServer server(std::move(router));
  EXPECT_EQ("page", server.ask(get("/studio/tasks")).body);
  EXPECT_EQ(405, server.ask(get("/a/b")).status) << "a known path is not the fallback's";
}

TEST(Router, ListsItsRoutes) {
  auto routes = table().routes();
  EXPECT_EQ(10u, routes.size());
  EXPECT_NE(routes.end(),
            std::ranges::find(routes, std::pair<std::string, std::string>("DELETE", "/task/{id}")));
}

TEST(Request, ShowsQueryCookiesAndHeaders) {
  Router router;
  router.get("/q", [](Request& request) -> awaitable<Result<Response>> {
    co_return Response::text(fmt::format(
        "{}|{}|{}|{}|{}|{}|{}", request.query("a").value_or("-"), request.query("b c").value_or("-"),
        request.query("none").value_or("-"), request.cookie("token"), request.cookie("x"),
        request.header("X-TEST"), request.remote_address()));
  });
  TestServer server(std::move(router));
  EXPECT_EQ(
      "1 2|你&|-|t0|q|yes|127.0.0.1",
      server.ask(get("/q?x&a=1+2&a=3&b%20c=%E4%BD%A0%26", "Cookie: token=t0; x=\"q\"\r\nx-test:  yes \r\n"))
          .body);
}

TEST(Request, TakesOverASaneRequestIdAndReplacesOthers) {
  TestServer server(table());
  EXPECT_EQ("a.B-c_9", server.ask(get("/", "X-Request-Id: a.B-c_9\r\n")).header("x-request-id"));
  for (const std::string& id : {std::string("has space"), std::string("a\"b"), std::string(129, 'a')}) {
    const std::string made = server.ask(get("/", "X-Request-Id: " + id + "\r\n")).header("x-request-id");
    EXPECT_NE(id, made);
    EXPECT_NE("", made);
  }
}

}  // namespace
}  // namespace fluxgate::http

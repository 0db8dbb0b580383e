// Redirects, the guard at work on connections, and proxies.
#include <cstdlib>

#include "client_fixture.h"

namespace fluxgate::net {
namespace {

// Redirects `/` with the given status to `location`; echoes everything else.
TestServer::Script redirecting(int status, std::string location) {
  return [status, location](TestServer::Peer& peer) -> awaitable<void> {
    while (true) {
      std::string request = co_await peer.request();
      if (request.empty()) co_return;
      if (request.contains(" / HTTP/1.1")) {
        co_await peer.answer(status, "Location: " + location + "\r\n", "moved");
      } else {
        co_await peer.answer(200, "", request);
      }
    }
  };
}

CallOptions following(int redirects = 3) {
  CallOptions options;
  options.max_redirects = redirects;
  return options;
}

TEST_F(ClientTest, TakesARedirectForAnAnswerUnlessAllowed) {
  TestServer server(io_, redirecting(302, "/target"));
  const auto reply = get(server.url());
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 302);
  EXPECT_EQ(reply->body, "moved");
}

TEST_F(ClientTest, FollowsARedirectAndHandsOnOnlyTheFinalAnswer) {
  TestServer server(io_, redirecting(302, "target?x"));
  auto options = following();
  int heads = 0;
  std::string body;
  options.on_head = [&](const HttpResponse& head) { return ++heads, head.status == 200; };
  options.sink = [&](std::string_view piece) { return body.append(piece), true; };
  ASSERT_TRUE(get(server.url(), options));
  EXPECT_EQ(heads, 1);
  EXPECT_TRUE(body.starts_with("GET /target?x "));
}

TEST_F(ClientTest, ChangesTheMethodAsBrowsersDo) {
  for (const auto& [status, method] :
       {std::pair{301, "GET"}, {302, "GET"}, {303, "GET"}, {307, "POST"}, {308, "POST"}}) {
    TestServer server(io_, redirecting(status, "/target"));
    const auto reply = post(server.url(), "body", following());
    ASSERT_TRUE(reply);
    EXPECT_TRUE(reply->body.starts_with(method)) << status;
    EXPECT_EQ(reply->body.ends_with("body"), std::string_view(method) == "POST");
  }
}

TEST_F(ClientTest, CountsRedirects) {
  TestServer server(io_, redirecting(302, "/"));
  const auto reply = get(server.url(), following(3));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::bad_url);
  EXPECT_EQ(reply.error().sent, Sent::maybe);
}

TEST_F(ClientTest, KeepsSecretsAtTheirOrigin) {
  TestServer target(io_, echo);
  TestServer away(io_, redirecting(302, target.url("/target")));
  TestServer stays(io_, redirecting(302, "/target"));
  const HeaderList secret = {{"Authorization", "Key s"}, {"Cookie", "c=1"}, {"X-Kept", "1"}};
  const auto crossed = call({"GET", away.url(), secret, ""}, following());
  ASSERT_TRUE(crossed);
  EXPECT_FALSE(crossed->body.contains("Key s"));
  EXPECT_FALSE(crossed->body.contains("c=1"));
  EXPECT_TRUE(crossed->body.contains("X-Kept"));
  const auto same = call({"GET", stays.url(), secret, ""}, following());
  ASSERT_TRUE(same);
  EXPECT_TRUE(same->body.contains("Key s"));
}

TEST_F(ClientTest, DoesNotFollowToOtherSchemes) {
  TestServer server(io_, redirecting(302, "file:///etc/passwd"));
  const auto reply = get(server.url(), following());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::bad_url);
}

// ---- the guard ----

CallOptions guarded(int redirects = 0) {
  CallOptions options;
  options.guarded = true;
  options.max_redirects = redirects;
  return options;
}

TEST_F(ClientTest, RefusesAUserLinkThatTheGuardForbidsWithoutConnecting) {
  TestServer server(io_, echo);
  for (const std::string& url :
       {server.url(), std::string("http://169.254.169.254/latest"), std::string("http://u@example.com/")}) {
    const auto reply = get(url, guarded());
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, Kind::refused) << url;
    EXPECT_EQ(reply.error().sent, Sent::no);
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(ClientTest, RefusesANameThatResolvesToLoopbackWhenConnecting) {
  for (const char* url : {"http://localhost/", "http://localhost:8080/", "https://LOCALHOST/"}) {
    const auto reply = get(url, guarded());
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, Kind::refused) << url << reply.error().detail;
    EXPECT_EQ(reply.error().sent, Sent::no);
  }
}

TEST_F(ClientTest, RefusesAGuardedCallTheIdleConnectionOfAnUnguardedOne) {
  std::unique_ptr<TestServer> server;
  for (const unsigned short port : {8443, 8080}) try {
      server = std::make_unique<TestServer>(io_, echo, port);
      break;
    } catch (const boost::system::system_error&) {
    }
  if (!server) GTEST_SKIP() << "neither port that the guard allows is free here";
  const std::string url = fmt::format("http://localhost:{}/", server->port());
  ASSERT_TRUE(get(url));
  const auto reply = get(url, guarded());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::refused);
  EXPECT_EQ(reply.error().sent, Sent::no);
  EXPECT_TRUE(get(url));
}

TEST_F(ClientTest, ChecksEveryHopOfAUserLink) {
  TestServer inner(io_, echo);
  for (const std::string& target :
       {inner.url("/x"), std::string("http://localhost/x"), std::string("http://2130706433/")}) {
    TestServer outer(io_, redirecting(302, target));
    auto options = guarded(3);
    options.exempt_origins = {outer.origin()};
    const auto reply = get(outer.url(), options);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, Kind::refused) << target;
    EXPECT_EQ(reply.error().sent, Sent::maybe);
  }
  EXPECT_EQ(inner.connections(), 0);
}

TEST_F(ClientTest, LetsExemptOriginsThroughTheGuard) {
  TestServer server(io_, echo);
  auto options = guarded();
  options.exempt_origins = {server.origin()};
  EXPECT_TRUE(get(server.url(), options));
}

TEST_F(ClientTest, RelaxesNothingButAddressesForTests) {
  make_client({.allow_private_for_tests = true});
  TestServer server(io_, redirecting(302, "/target"));
  EXPECT_TRUE(get(server.url(), guarded(1)));
  EXPECT_TRUE(get(fmt::format("http://localhost:{}/x", server.port()), guarded()));
  EXPECT_EQ(get(fmt::format("http://u@127.0.0.1:{}/", server.port()), guarded()).error().kind, Kind::refused);
  EXPECT_EQ(get(fmt::format("http://127.1:{}/", server.port()), guarded()).error().kind, Kind::refused);
}

// ---- proxies ----

class ProxyTest : public ClientTest {
 protected:
  ProxyTest() : proxy_(io_, echo) {}
  ~ProxyTest() override {
    for (const char* name : {"http_proxy", "no_proxy"}) unsetenv(name);
  }
  TestServer proxy_;
};

TEST_F(ProxyTest, IsTakenFromTheEnvironmentForOurOwnCalls) {
  setenv("http_proxy", proxy_.origin().c_str(), 1);
  const auto reply = get("http://upstream.invalid/x");
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_TRUE(reply->body.starts_with("GET http://upstream.invalid/x HTTP/1.1"));
}

TEST_F(ProxyTest, IsNotAskedForOurOwnLoopback) {
  setenv("http_proxy", proxy_.origin().c_str(), 1);
  TestServer server(io_, echo);
  ASSERT_TRUE(get(server.url()));
  EXPECT_EQ(proxy_.connections(), 0);
}

TEST_F(ProxyTest, IsNotTakenFromTheEnvironmentForUserLinks) {
  setenv("http_proxy", proxy_.origin().c_str(), 1);
  const auto reply = get("http://localhost/x", guarded());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, Kind::refused);
  EXPECT_EQ(proxy_.connections(), 0);
}

TEST_F(ProxyTest, ServesUserLinksWhenConfiguredAndCannotBeBypassed) {
  setenv("no_proxy", "*", 1);
  make_client({.fetch_proxy = proxy_.origin()});
  const auto reply = get("http://user-link.invalid/x", guarded());
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_TRUE(reply->body.starts_with("GET http://user-link.invalid/x HTTP/1.1"));
  EXPECT_EQ(get("http://127.0.0.1/x", guarded()).error().kind, Kind::refused);
}

}  // namespace
}  // namespace fluxgate::net

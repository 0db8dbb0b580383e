#include "net/closing_client.h"

#include "client_fixture.h"

namespace fluxgate::net {
namespace {

TEST_F(ClientTest, ThatIsClosedEndsTheCallUnderWayAndEveryFurtherOne) {
  ClosingClient closing(make_http_client(io_));
  // Called again once it failed, as a task does that is in the middle of its last step.
  const auto stubborn = [&closing](std::string url) -> awaitable<std::vector<Reply>> {
    std::vector<Reply> replies;
    for (int i = 0; i < 3; ++i) {
      auto reply = co_await closing.call({.method = "GET", .url = url}, {});
      replies.push_back(std::move(reply));
    }
    co_return replies;
  };
  TestServer server(io_, [&closing](Peer& peer) -> awaitable<void> {
    co_await peer.request();
    closing.close();  // and never answers
    co_await peer.linger();
  });
  const auto replies = wait(stubborn(server.url()));
  ASSERT_EQ(replies.size(), 3u);
  for (const Reply& reply : replies) {
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, Kind::cancelled);
  }
  EXPECT_EQ(replies[0].error().sent, Sent::maybe);
  EXPECT_EQ(replies[1].error().sent, Sent::no);
  closing.close();
}

}  // namespace
}  // namespace fluxgate::net

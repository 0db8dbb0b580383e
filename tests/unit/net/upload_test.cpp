// Bodies that are read while they are sent.
#include "client_fixture.h"

namespace fluxgate::net {
namespace {

std::string digits(std::size_t size) {
  std::string text(size, '0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('0' + i % 10);
  return text;
}

Upload upload_of(const std::string& bytes) {
  return {bytes.size(), [&bytes](std::uint64_t offset, std::span<char> into) -> std::optional<std::size_t> {
            const std::size_t size = std::min<std::size_t>(into.size(), bytes.size() - offset);
            std::copy_n(bytes.data() + offset, size, into.data());
            return size;
          }};
}

class UploadTest : public ClientTest {
 protected:
  Reply put(std::string url, Upload upload) {
    CallOptions options;
    options.upload = std::move(upload);
    return call({.method = "PUT", .url = std::move(url)}, std::move(options));
  }
};

TEST_F(UploadTest, SendsWhatTheReaderGivesWithItsLength) {
  for (const std::size_t size : {0u, 1u, 65'536u, 65'537u, 3'000'000u}) {
    TestServer server(io_, echo);
    const std::string bytes = digits(size);
    const auto reply = put(server.url(), upload_of(bytes));
    ASSERT_TRUE(reply) << size;
    EXPECT_TRUE(reply->body.starts_with("PUT ")) << size;
    EXPECT_NE(reply->body.find(fmt::format("Content-Length: {}\r\n", size)), std::string::npos) << size;
    EXPECT_EQ(reply->body.find("Expect"), std::string::npos);
    EXPECT_EQ(reply->body.substr(reply->body.find("\r\n\r\n") + 4), bytes) << size;
  }
}

TEST_F(UploadTest, StartsAgainOnAConnectionThatReplacesADeadOne) {
  int puts = 0;
  TestServer server(io_, [&](Peer& peer) -> awaitable<void> {
    std::string request = co_await peer.request();
    if (request.starts_with("PUT")) {
      ++puts;
      co_await peer.answer(200, "", request.substr(request.find("\r\n\r\n") + 4));
      co_return;
    }
    co_await peer.answer(200, "", "");
    co_await peer.request();  // takes the next one and hangs up: the connection had died
  });
  ASSERT_TRUE(get(server.url()));
  const std::string bytes = digits(1000);
  const auto reply = put(server.url(), upload_of(bytes));
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(reply->body, bytes);
  EXPECT_EQ(puts, 1);
}

TEST_F(UploadTest, EndsWhenTheReaderFailsOrStopsShort) {
  TestServer server(io_, echo);
  const auto failing = put(server.url(), {10, [](std::uint64_t, std::span<char>) { return std::nullopt; }});
  ASSERT_FALSE(failing);
  EXPECT_EQ(failing.error().kind, Kind::source);
  const auto short_of = put(server.url(), {10, [](std::uint64_t offset, std::span<char> into) {
                                             into[0] = 'x';
                                             return std::optional<std::size_t>(offset == 0 ? 1 : 0);
                                           }});
  ASSERT_FALSE(short_of);
  EXPECT_EQ(short_of.error().kind, Kind::source);
}

TEST_F(UploadTest, ThrowsOnWhatTheReaderThrows) {
  TestServer server(io_, echo);
  EXPECT_THROW(put(server.url(), {10,
                                  [](std::uint64_t, std::span<char>) -> std::optional<std::size_t> {
                                    throw std::runtime_error("the disk is gone");
                                  }}),
               std::runtime_error);
}

// A store refuses a large body by its head alone; what it said must not be lost over the rest of the body.
TEST_F(UploadTest, HearsAnAnswerThatComesBeforeTheEndOfTheBody) {
  TestServer server(io_, [](Peer& peer) -> awaitable<void> {
    std::array<char, 1024> some{};
    boost::system::error_code ignored;
    co_await peer.socket.async_read_some(boost::asio::buffer(some),
                                         boost::asio::redirect_error(use_awaitable, ignored));
    co_await peer.answer(403, "Connection: close\r\n", "no");
    co_await peer.linger();
  });
  const std::string bytes = digits(8'000'000);
  const auto reply = put(server.url(), upload_of(bytes));
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(reply->status, 403);
  EXPECT_EQ(reply->body, "no");
}

TEST_F(UploadTest, IsSentOnceWhenItIsPaid) {
  int puts = 0;
  TestServer server(io_, [&](Peer& peer) -> awaitable<void> {
    const std::string request = co_await peer.request();
    puts += request.starts_with("POST") ? 1 : 0;
  });
  const std::string bytes = digits(1000);
  auto options = once();
  options.upload = upload_of(bytes);
  const auto reply = call({.method = "POST", .url = server.url()}, std::move(options));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().sent, Sent::maybe);
  EXPECT_EQ(puts, 1);
}

}  // namespace
}  // namespace fluxgate::net

// A raw HTTP peer on loopback for the client's tests: every byte of an answer is the test's own. Runs on
// the test's io_context, so one thread plays both sides and nothing races.
#pragma once

#include <functional>
#include <set>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "base/coro.h"

namespace fluxgate::net {

class TestServer {
 public:
  using tcp = boost::asio::ip::tcp;

  struct Peer {
    tcp::socket socket;
    std::string buffer;
    int number = 0;  // of the connection, from 1

    // The next request, head and body; "" when the client has gone.
    awaitable<std::string> request() {
      boost::system::error_code error;
      const std::size_t head =
          co_await boost::asio::async_read_until(socket, boost::asio::dynamic_buffer(buffer), "\r\n\r\n",
                                                 boost::asio::redirect_error(use_awaitable, error));
      if (error) co_return "";
      std::size_t length = 0;
      if (const auto at = buffer.find("Content-Length: "); at < head)
        length = std::stoul(buffer.substr(at + 16));
      const std::size_t whole = head + length;
      if (buffer.size() < whole) {
        co_await boost::asio::async_read(socket, boost::asio::dynamic_buffer(buffer),
                                         boost::asio::transfer_exactly(whole - buffer.size()),
                                         boost::asio::redirect_error(use_awaitable, error));
        if (error) co_return "";
      }
      std::string text = buffer.substr(0, whole);
      buffer.erase(0, whole);
      co_return text;
    }

    awaitable<void> send(std::string bytes) {
      boost::system::error_code error;
      co_await boost::asio::async_write(socket, boost::asio::buffer(bytes),
                                        boost::asio::redirect_error(use_awaitable, error));
    }

    awaitable<void> answer(int status, std::string headers, std::string body) {
      co_await send(
          fmt::format("HTTP/1.1 {} X\r\n{}Content-Length: {}\r\n\r\n{}", status, headers, body.size(), body));
    }

    // Waits until the client closes.
    awaitable<void> linger() {
      boost::system::error_code error;
      std::array<char, 1024> ignored{};
      while (!error)
        co_await socket.async_read_some(boost::asio::buffer(ignored),
                                        boost::asio::redirect_error(use_awaitable, error));
    }

    void reset() {
      socket.set_option(boost::asio::socket_base::linger(true, 0));
      socket.close();
    }
  };

  // Plays one connection; it is closed when the script returns.
  using Script = std::function<awaitable<void>(Peer&)>;

  TestServer(boost::asio::io_context& io, Script script, unsigned short port = 0)
      : io_(io), group_(io.get_executor()), acceptor_(io), script_(std::move(script)) {
    const tcp::endpoint endpoint(boost::asio::ip::address_v4::loopback(), port);
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(boost::asio::socket_base::reuse_address(true));
    acceptor_.bind(endpoint);
    acceptor_.listen();
    group_.spawn("accept", accept());
  }
  ~TestServer() {
    acceptor_.close();
    for (auto* peer : peers_) {
      boost::system::error_code ignored;
      peer->socket.close(ignored);
    }
    while (group_.size() != 0) io_.run_one();
  }

  unsigned short port() const { return acceptor_.local_endpoint().port(); }
  std::string origin() const { return fmt::format("http://127.0.0.1:{}", port()); }
  std::string url(std::string_view path = "/") const { return origin() + std::string(path); }
  int connections() const { return connections_; }

 private:
  awaitable<void> accept() {
    while (true) {
      boost::system::error_code error;
      tcp::socket socket = co_await acceptor_.async_accept(boost::asio::redirect_error(use_awaitable, error));
      if (error) co_return;
      auto peer = std::make_shared<Peer>(Peer{std::move(socket), {}, ++connections_});
      group_.spawn("connection", play(std::move(peer)));
    }
  }
  awaitable<void> play(std::shared_ptr<Peer> peer) {
    peers_.insert(peer.get());
    co_await script_(*peer);
    peers_.erase(peer.get());
    boost::system::error_code ignored;
    peer->socket.close(ignored);
  }

  boost::asio::io_context& io_;
  CoroGroup group_;
  tcp::acceptor acceptor_;
  Script script_;
  std::set<Peer*> peers_;
  int connections_ = 0;
};

}  // namespace fluxgate::net

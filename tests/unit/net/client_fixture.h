// One io_context with a client on it; `wait` drives it until a call has ended.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "net/http_client.h"
#include "test_server.h"

namespace fluxgate::net {

class ClientTest : public ::testing::Test {
 protected:
  using Peer = TestServer::Peer;
  using Sent = Failure::Sent;
  using Kind = Failure::Kind;

  template <class T>
  T wait(awaitable<T> work) {
    std::optional<T> result;
    boost::asio::co_spawn(io_, std::move(work), [&](std::exception_ptr error, T value) {
      if (error) std::rethrow_exception(error);
      result.emplace(std::move(value));
    });
    while (!result) io_.run_one();
    return std::move(*result);
  }
  Reply call(HttpRequest request, CallOptions options = {}) {
    return wait(client_->call(std::move(request), std::move(options)));
  }
  Reply get(std::string url, CallOptions options = {}) {
    return call({.method = "GET", .url = std::move(url)}, std::move(options));
  }
  Reply post(std::string url, std::string body, CallOptions options = {}) {
    return call({.method = "POST", .url = std::move(url), .body = std::move(body)}, std::move(options));
  }
  static CallOptions once() {
    CallOptions options;
    options.exactly_once = true;
    return options;
  }
  void make_client(ClientOptions options) { client_ = make_http_client(io_, std::move(options)); }

  boost::asio::io_context io_;
  // Without it the context counts as stopped whenever a test leaves it without work.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_{io_.get_executor()};
  std::unique_ptr<HttpClient> client_ = make_http_client(io_);
};

// Answers every request on a connection with 200 and the request itself as body.
inline awaitable<void> echo(TestServer::Peer& peer) {
  while (true) {
    std::string request = co_await peer.request();
    if (request.empty()) co_return;
    co_await peer.answer(200, "X-Mixed-Case: Yes\r\n", request);
  }
}

}  // namespace fluxgate::net

// A client that is closed before it is destroyed. Whoever still holds it then, because its last steps take longer than
// they were given, gets Kind::cancelled: for the call under way, and for every further one.
#pragma once

#include <memory>
#include <utility>

#include "net/http_client.h"

namespace fluxgate::net {

class ClosingClient final : public HttpClient {
 public:
  explicit ClosingClient(std::unique_ptr<HttpClient> client) : client_(std::move(client)) {}

  awaitable<Reply> call(HttpRequest request, CallOptions options) override {
    return client_ ? client_->call(std::move(request), std::move(options)) : closed();
  }
  // On the client's thread. Safe twice.
  void close() { client_.reset(); }

 private:
  static awaitable<Reply> closed() {
    co_return std::unexpected(Failure{Failure::Kind::cancelled, Failure::Sent::no, "the server is stopping"});
  }

  std::unique_ptr<HttpClient> client_;
};

}  // namespace fluxgate::net

// The HTTP client for commands, which may wait.
#pragma once

#include <memory>

#include <boost/asio/io_context.hpp>

#include "net/http_client.h"

namespace fluxgate::app {

class BlockingClient {
 public:
  BlockingClient();
  ~BlockingClient();
  net::Reply call(HttpRequest request, net::CallOptions options = {});
  void pause(std::chrono::milliseconds time);

 private:
  boost::asio::io_context context_;
  std::unique_ptr<net::HttpClient> client_;
};

}  // namespace fluxgate::app

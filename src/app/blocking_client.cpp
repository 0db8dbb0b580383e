#include "app/blocking_client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

namespace fluxgate::app {

BlockingClient::BlockingClient() : client_(net::make_http_client(context_)) {}
BlockingClient::~BlockingClient() = default;

net::Reply BlockingClient::call(HttpRequest request, net::CallOptions options) {
  auto reply = boost::asio::co_spawn(context_, client_->call(std::move(request), std::move(options)), boost::asio::use_future);
  context_.restart();
  context_.run();
  return reply.get();
}

void BlockingClient::pause(std::chrono::milliseconds time) {
  boost::asio::steady_timer timer(context_, time);
  timer.wait();
}

}  // namespace fluxgate::app

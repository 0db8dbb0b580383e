#include "http/worker.h"

#include <csignal>

#include <sys/socket.h>

#include <boost/asio/use_future.hpp>

#include "base/log.h"
#include "http/connection.h"

namespace fluxgate::http {
namespace {

namespace asio = boost::asio;
using asio::redirect_error;
using asio::ip::tcp;
using namespace std::chrono_literals;

using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

// Beyond max_connections this many more are accepted just to be told so with a 503.
constexpr std::size_t kRefusedAtOnce = 64;

// Fine enough for the shortest time-out, and never a burden.
std::chrono::milliseconds sweep_period(const ServerOptions& options) {
  const auto shortest =
      std::min({options.header_timeout, options.body_timeout, options.idle_timeout, options.write_timeout});
  return std::clamp<std::chrono::milliseconds>(shortest / 8, 5ms, 500ms);
}

std::string text_of(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}

awaitable<void> serve(std::unique_ptr<Connection> connection) { co_await connection->run(); }

}  // namespace

Worker::Worker(Site& site)
    : site_(site),
      context_(1),
      work_(context_.get_executor()),
      lane_(site),
      acceptor_(context_),
      sweep_timer_(context_),
      accept_pause_(context_),
      service_(context_.get_executor()),
      connections_(context_.get_executor()) {}

Worker::~Worker() {
  if (thread_.joinable()) join();
}

tcp::endpoint Worker::listen(const tcp::endpoint& endpoint) {
  acceptor_.open(endpoint.protocol());
  acceptor_.set_option(asio::socket_base::reuse_address(true));
  acceptor_.set_option(ReusePort(true));
  acceptor_.bind(endpoint);
  acceptor_.listen(asio::socket_base::max_listen_connections);
  return acceptor_.local_endpoint();
}

void Worker::start() {
  service_.spawn("accept", accept());
  service_.spawn("sweep", sweep());
  thread_ = std::thread([this] {
    // sendfile to a client that left raises SIGPIPE on the calling thread; the error code is enough.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    context_.run();
  });
}

awaitable<void> Worker::accept() {
  error_code ec;
  while (!lane_.draining) {
    tcp::socket socket = co_await acceptor_.async_accept(redirect_error(use_awaitable, ec));
    if (!ec) {
      admit(std::move(socket));
      continue;
    }
    if (lane_.draining) break;
    // Out of descriptors, mostly: trying again at once would only burn the processor.
    log::warn("cannot accept a connection: {}", ec.message());
    accept_pause_.expires_after(100ms);
    co_await accept_pause_.async_wait(redirect_error(use_awaitable, ec));
  }
  // Whoever is already in the queue gets an answer; closing the socket would reset them.
  acceptor_.non_blocking(true, ec);
  while (!ec) {
    tcp::socket socket(context_);
    acceptor_.accept(socket, ec);
    if (!ec) admit(std::move(socket));
  }
  acceptor_.close(ec);
}

void Worker::admit(tcp::socket socket) {
  const std::size_t present = site_.connections.load();
  if (present >= site_.options.max_connections + kRefusedAtOnce) return;
  const auto admission = present >= site_.options.max_connections ? Connection::Admission::overloaded
                                                                  : Connection::Admission::normal;
  error_code ec;
  socket.set_option(tcp::no_delay(true), ec);
  const tcp::endpoint remote = socket.remote_endpoint(ec);
  if (ec) return;  // left before it was served
  auto transport =
      site_.tls ? make_tls_transport(std::move(socket), *site_.tls) : make_plain_transport(std::move(socket));
  auto connection = std::make_unique<Connection>(lane_, std::move(transport), text_of(remote.address()),
                                                 admission, context_.get_executor());
  connections_.spawn("connection", serve(std::move(connection)));
}

awaitable<void> Worker::sweep() {
  const auto period = sweep_period(site_.options);
  while (!service_.stopping()) {
    sweep_timer_.expires_after(period);
    error_code ignored;
    co_await sweep_timer_.async_wait(redirect_error(use_awaitable, ignored));
    const auto now = std::chrono::steady_clock::now();
    for (LaneMember& member : lane_.members) member.expire_before(now);
  }
}

void Worker::drain() {
  asio::post(context_, [this] {
    if (std::exchange(lane_.draining, true)) return;
    error_code ignored;
    acceptor_.cancel(ignored);
    accept_pause_.cancel();
    for (LaneMember& member : lane_.members) member.begin_drain();
  });
}

void Worker::close_all() {
  asio::post(context_, [this] {
    lane_.closing = true;
    for (LaneMember& member : lane_.members) member.abort();
  });
}

std::future<void> Worker::ended() {
  auto wait = [](Worker& worker) -> awaitable<void> {
    co_await worker.connections_.joined();
    worker.service_.stop();
    worker.sweep_timer_.cancel();
    co_await worker.service_.joined();
  };
  return asio::co_spawn(context_, wait(*this), asio::use_future);
}

void Worker::join() {
  work_.reset();
  context_.stop();
  thread_.join();
}

}  // namespace fluxgate::http

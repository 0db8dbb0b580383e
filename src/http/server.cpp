#include "http/server.h"

#include <future>

#include "base/log.h"
#include "http/connection.h"
#include "http/worker.h"

namespace fluxgate::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

tcp::endpoint resolve(const ServerOptions& options) {
  error_code ec;
  const auto address = asio::ip::make_address(options.host, ec);
  if (!ec) return {address, options.port};
  asio::io_context context;
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive);
  return found.begin()->endpoint();
}

// With SO_REUSEPORT two servers of one user share a port in silence and each gets half the clients.
// A socket without it finds the other one.
void refuse_shared_port(const tcp::endpoint& endpoint) {
  if (endpoint.port() == 0) return;
  asio::io_context context;
  tcp::acceptor probe(context, endpoint.protocol());
  probe.set_option(asio::socket_base::reuse_address(true));
  probe.bind(endpoint);
}

}  // namespace

struct Server::Impl {
  Impl(ServerOptions options, Router router, ErrorRenderer render)
      : site(std::move(options), std::move(router), std::move(render)) {}

  Site site;
  std::vector<std::unique_ptr<Worker>> workers;
  std::uint16_t port = 0;
  std::mutex stopping;
  bool started = false;
};

Server::Server(ServerOptions options, Router router, ErrorRenderer render)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(router), std::move(render))) {
  const ServerOptions& checked = impl_->site.options;
  if (!checked.tls_certificate.empty() || !checked.tls_key.empty())
    impl_->site.tls = make_tls_context(checked.tls_certificate, checked.tls_key);
  for (int i = 0; i < std::max(1, checked.threads); ++i)
    impl_->workers.push_back(std::make_unique<Worker>(impl_->site));
}

Server::~Server() { stop(std::chrono::milliseconds(0)); }

void Server::start() {
  FLUX_ASSERT(!impl_->started);
  const ServerOptions& options = impl_->site.options;
  try {
    tcp::endpoint endpoint = resolve(options);
    refuse_shared_port(endpoint);
    for (const auto& worker : impl_->workers) endpoint = worker->listen(endpoint);
    impl_->port = endpoint.port();
  } catch (const boost::system::system_error& e) {
    throw std::runtime_error(
        fmt::format("cannot listen on {}:{}: {}", options.host, options.port, e.code().message()));
  }
  impl_->started = true;
  for (const auto& worker : impl_->workers) worker->start();
}

std::uint16_t Server::port() const { return impl_->port; }

asio::any_io_executor Server::executor(int index) const {
  return impl_->workers.at(static_cast<std::size_t>(index))->executor();
}

int Server::threads() const { return static_cast<int>(impl_->workers.size()); }

void Server::drain() {
  for (const auto& worker : impl_->workers) worker->drain();
}

void Server::stop(std::chrono::milliseconds deadline) {
  const std::scoped_lock lock(impl_->stopping);
  if (!std::exchange(impl_->started, false)) return;
  drain();
  const auto end = std::chrono::steady_clock::now() + deadline;
  std::vector<std::future<void>> ended;
  for (const auto& worker : impl_->workers) ended.push_back(worker->ended());
  bool late = false;
  for (const auto& future : ended) late |= future.wait_until(end) != std::future_status::ready;
  if (late) {
    const std::size_t open = impl_->site.connections.load();
    if (deadline.count() > 0) log::warn("closing {} connections that did not end in time", open);
    for (const auto& worker : impl_->workers) worker->close_all();
  }
  for (auto& future : ended) future.wait();
  for (const auto& worker : impl_->workers) worker->join();
}

}  // namespace fluxgate::http

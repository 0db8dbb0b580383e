#include "sandbox/sandbox.h"

#include "http/server.h"
#include "sandbox/replies.h"
#include "sandbox/routes.h"
#include "sandbox/webhooks.h"

namespace fluxgate::sandbox {
namespace {

using namespace std::chrono_literals;

http::Router routes_of(Service& service) {
  http::Router router;
  add_insight_routes(service, router);
  add_media_routes(service, router);
  add_upload_routes(service, router);
  add_queue_routes(service, router);
  return router;
}

http::ServerOptions server_options(const Options& options) {
  http::ServerOptions server;
  server.host = options.host;
  server.port = options.port;
  server.threads = options.threads;
  server.tls_certificate = options.tls_certificate;
  server.tls_key = options.tls_key;
  server.compress = false;  // data URIs do not shrink, and the thread has better things to do
  server.cors_origins = {"*"};
  server.cors_expose = {"x-fal-request-id", "x-fal-billable-units", "x-fal-error-type", "x-fal-needs-retry",
                        "x-fal-request-timeout-type"};
  return server;
}

http::Response render_error(const http::Request*, const Error& error) {
  return detail_reply(http_status(error.errc()), error.message().en);
}

}  // namespace

struct Sandbox::Impl {
  Impl(Options options, const Clock& clock)
      : service(std::move(options), clock),
        server(server_options(service.options), routes_of(service), render_error) {}

  Service service;  // outlives the server, whose routes use it
  http::Server server;
  bool started = false;
};

Sandbox::Sandbox(Options options, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}

Sandbox::~Sandbox() { stop(); }

void Sandbox::start() {
  impl_->server.start();
  impl_->started = true;
  const std::string& given = impl_->service.options.public_base_url;
  impl_->service.webhooks->start(given.empty() ? base_url() : given);
}

// Hung answers and deliveries end first, so that no handler is left waiting when the server stops.
void Sandbox::stop() {
  if (!std::exchange(impl_->started, false)) return;
  impl_->service.stopping = true;
  impl_->service.webhooks->cancel();
  impl_->server.stop(2s);
  impl_->service.gallery.join();
  impl_->service.webhooks->stop();
}

std::string Sandbox::base_url() const {
  const Options& options = impl_->service.options;
  bool anywhere = options.host == "0.0.0.0" || options.host == "::";
  bool v6 = options.host.contains(':');
  std::string host = anywhere ? "127.0.0.1" : v6 ? "[" + options.host + "]" : options.host;
  return fmt::format("{}://{}:{}", options.tls_certificate.empty() ? "http" : "https", host,
                     impl_->server.port());
}

RequestCounts Sandbox::requests() const { return impl_->service.counters.snapshot(); }

}  // namespace fluxgate::sandbox

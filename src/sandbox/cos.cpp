#include "sandbox/cos.h"

#include <fstream>
#include <iterator>

#include "http/server.h"
#include "sandbox/cos_service.h"

namespace fluxgate::sandbox {
namespace {

using namespace std::chrono_literals;

http::Router routes_of(cos::CosService& service) {
  http::Router router;
  for (std::string_view method : {"GET", "PUT", "POST", "DELETE"})
    router.add(method, "/{path:rest}",
               [&service](http::Request& request) { return service.answer(request); });
  router.get("/_sandbox/stats", [&service](http::Request&) { return service.tell(); });
  return router;
}

http::ServerOptions server_options(const CosOptions& options) {
  http::ServerOptions server;
  server.host = options.host;
  server.port = options.port;
  server.threads = 1;
  server.compress = false;
  server.cors_origins = {"*"};
  server.cors_expose = {"ETag", "x-cos-request-id", "x-cos-hash-crc64ecma"};
  return server;
}

http::Response render_error(const http::Request*, const Error& error) {
  return http::Response::text(
      fmt::format("<Error><Code>InvalidURI</Code><Message>{}</Message></Error>", error.message().en),
      "application/xml", http_status(error.errc()));
}

}  // namespace

struct CosSandbox::Impl {
  Impl(CosOptions options, const Clock& clock)
      : service(std::move(options), clock),
        server(server_options(service.options()), routes_of(service), render_error) {}

  cos::CosService service;  // outlives the server, whose routes use it
  http::Server server;
};

CosSandbox::CosSandbox(CosOptions options, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}
CosSandbox::~CosSandbox() { stop(); }

void CosSandbox::start() { impl_->server.start(); }
void CosSandbox::stop() {
  impl_->service.stop();
  impl_->server.stop(2s);
}
std::string CosSandbox::base_url() const {
  return fmt::format("http://{}:{}", impl_->service.options().host, impl_->server.port());
}

void CosSandbox::add_fault(std::string_view text) { impl_->service.faults().add(text); }
void CosSandbox::deny(std::vector<std::string> actions) { impl_->service.deny(std::move(actions)); }

std::vector<std::string> CosSandbox::requests() const {
  std::vector<std::string> requests;
  for (auto& [request, host] : impl_->service.log()) requests.push_back(std::move(request));
  return requests;
}

std::vector<std::string> CosSandbox::hosts() const {
  std::vector<std::string> hosts;
  for (auto& [request, host] : impl_->service.log()) hosts.push_back(std::move(host));
  return hosts;
}

std::vector<std::string> CosSandbox::keys() const {
  std::vector<std::string> keys;
  for (auto& [key, object] : impl_->service.shelf().list("", "")) keys.push_back(std::move(key));
  return keys;
}

std::string CosSandbox::content(std::string_view key) const {
  const auto object = impl_->service.shelf().find(std::string(key));
  if (!object) return {};
  std::ifstream in(object->blob.path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t CosSandbox::open_uploads() const { return impl_->service.shelf().uploads("").size(); }

}  // namespace fluxgate::sandbox

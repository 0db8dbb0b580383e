#include <unistd.h>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "http/transport.h"

namespace fluxgate::http {
namespace {

namespace asio = boost::asio;
using asio::redirect_error;

class TlsTransport final : public Transport {
 public:
  TlsTransport(asio::ip::tcp::socket socket, asio::ssl::context& context)
      : stream_(std::move(socket), context) {}

  awaitable<void> handshake(error_code& ec) override {
    return stream_.async_handshake(asio::ssl::stream_base::server, redirect_error(use_awaitable, ec));
  }

  awaitable<std::size_t> read(asio::mutable_buffer buffer, error_code& ec) override {
    return stream_.async_read_some(buffer, redirect_error(use_awaitable, ec));
  }

  awaitable<std::size_t> write(Buffers buffers, error_code& ec) override {
    // A record holds one buffer, so that the first one that is not empty goes alone.
    while (buffers.size() > 1 && buffers.front().size() == 0) buffers = buffers.subspan(1);
    return stream_.async_write_some(buffers.front(), redirect_error(use_awaitable, ec));
  }

  std::size_t write_now(Buffers, error_code& ec) override {
    ec = asio::error::would_block;
    return 0;
  }

  awaitable<std::size_t> send_file(int file, std::uint64_t offset, std::uint64_t size,
                                   error_code& ec) override {
    if (file_buffer_.empty()) file_buffer_.resize(64 * 1024);
    const std::size_t wanted = std::min<std::uint64_t>(size, file_buffer_.size());
    const ssize_t got = ::pread(file, file_buffer_.data(), wanted, static_cast<off_t>(offset));
    if (got <= 0) {
      ec = got < 0 ? error_code(errno, boost::system::system_category()) : error_code();
      co_return 0;
    }
    const auto piece = asio::buffer(file_buffer_.data(), static_cast<std::size_t>(got));
    const std::size_t sent = co_await stream_.async_write_some(piece, redirect_error(use_awaitable, ec));
    co_return sent;
  }

  awaitable<void> shutdown() override {
    error_code ignored;
    co_await stream_.async_shutdown(redirect_error(use_awaitable, ignored));
    stream_.next_layer().shutdown(asio::socket_base::shutdown_send, ignored);
  }

  awaitable<std::size_t> discard(asio::mutable_buffer buffer, error_code& ec) override {
    return stream_.next_layer().async_read_some(buffer, redirect_error(use_awaitable, ec));
  }

  std::size_t available() const override {
    error_code ignored;
    return stream_.next_layer().available(ignored);
  }
  void cancel() override {
    error_code ignored;
    stream_.next_layer().cancel(ignored);
  }
  void close() override {
    error_code ignored;
    stream_.next_layer().close(ignored);
  }
  void reset() override {
    error_code ignored;
    stream_.next_layer().set_option(asio::socket_base::linger(true, 0), ignored);
    close();
  }
  bool over_tls() const override { return true; }

 private:
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
  std::string file_buffer_;
};

// Picks "http/1.1" when the client offers it; a client that only speaks something else goes without.
int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                    unsigned int in_size, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int result = SSL_select_next_proto(&chosen, out_size, kOurs, sizeof kOurs - 1, in, in_size);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

std::unique_ptr<Transport> make_tls_transport(asio::ip::tcp::socket socket, asio::ssl::context& context) {
  return std::make_unique<TlsTransport>(std::move(socket), context);
}

std::shared_ptr<asio::ssl::context> make_tls_context(const std::string& certificate, const std::string& key) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_alpn_select_cb(context->native_handle(), select_protocol, nullptr);
  error_code ec;
  context->use_certificate_chain_file(certificate, ec);
  if (ec) throw std::runtime_error("cannot use the TLS certificate " + certificate + ": " + ec.message());
  context->use_private_key_file(key, asio::ssl::context::pem, ec);
  if (ec) throw std::runtime_error("cannot use the TLS key " + key + ": " + ec.message());
  return context;
}

}  // namespace fluxgate::http

#include <cerrno>

#include <sys/sendfile.h>

#include "http/transport.h"

namespace fluxgate::http {
namespace {

namespace asio = boost::asio;
using asio::redirect_error;

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {
    error_code ignored;
    socket_.non_blocking(true, ignored);
  }

  awaitable<void> handshake(error_code& ec) override {
    ec = {};
    co_return;
  }

  awaitable<std::size_t> read(asio::mutable_buffer buffer, error_code& ec) override {
    return socket_.async_read_some(buffer, redirect_error(use_awaitable, ec));
  }

  awaitable<std::size_t> write(Buffers buffers, error_code& ec) override {
    return socket_.async_write_some(buffers, redirect_error(use_awaitable, ec));
  }

  std::size_t write_now(Buffers buffers, error_code& ec) override { return socket_.write_some(buffers, ec); }

  awaitable<std::size_t> send_file(int file, std::uint64_t offset, std::uint64_t size,
                                   error_code& ec) override {
    for (;;) {
      off_t position = static_cast<off_t>(offset);
      const ssize_t sent = ::sendfile(socket_.native_handle(), file, &position, size);
      if (sent >= 0) {
        ec = {};
        co_return static_cast<std::size_t>(sent);
      }
      ec = error_code(errno, boost::system::system_category());
      if (ec == boost::system::errc::interrupted) continue;
      if (ec != boost::system::errc::resource_unavailable_try_again) co_return 0;
      co_await socket_.async_wait(asio::socket_base::wait_write, redirect_error(use_awaitable, ec));
      if (ec) co_return 0;
    }
  }

  awaitable<void> shutdown() override {
    error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
    co_return;
  }

  awaitable<std::size_t> discard(asio::mutable_buffer buffer, error_code& ec) override {
    return read(buffer, ec);
  }

  std::size_t available() const override {
    error_code ignored;
    return socket_.available(ignored);
  }
  void cancel() override {
    error_code ignored;
    socket_.cancel(ignored);
  }
  void close() override {
    error_code ignored;
    socket_.close(ignored);
  }
  void reset() override {
    error_code ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    close();
  }
  bool over_tls() const override { return false; }

 private:
  asio::ip::tcp::socket socket_;
};

}  // namespace

std::unique_ptr<Transport> make_plain_transport(asio::ip::tcp::socket socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

}  // namespace fluxgate::http

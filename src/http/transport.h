// The bytes below HTTP: a TCP connection, plain or inside TLS. One coroutine uses it at a time; `cancel`
// and `close` may be called beside it, on the same thread.
#pragma once

#include <memory>
#include <span>
#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/coro.h"

namespace boost::asio::ssl {
class context;
}

namespace fluxgate::http {

using boost::system::error_code;
using Buffers = std::span<const boost::asio::const_buffer>;

class Transport {
 public:
  virtual ~Transport() = default;

  // References given to the awaitables live until these complete.
  virtual awaitable<void> handshake(error_code& ec) = 0;
  // At least one byte, or an error (eof included).
  virtual awaitable<std::size_t> read(boost::asio::mutable_buffer buffer, error_code& ec) = 0;
  virtual awaitable<std::size_t> write(Buffers buffers, error_code& ec) = 0;
  // Writes what fits now, without waiting; would_block when nothing does. Spares the reactor's round
  // trip for answers that fit the socket's buffer, which is nearly all of them.
  virtual std::size_t write_now(Buffers buffers, error_code& ec) = 0;
  // Sends one piece of a file, at most `size` bytes of it from `offset`; 0 without error when the file
  // is shorter than that.
  virtual awaitable<std::size_t> send_file(int file, std::uint64_t offset, std::uint64_t size,
                                           error_code& ec) = 0;
  // Says goodbye: close_notify in TLS, then the end of our direction.
  virtual awaitable<void> shutdown() = 0;
  // Raw bytes, without TLS: for reading over what the peer still sends after `shutdown`.
  virtual awaitable<std::size_t> discard(boost::asio::mutable_buffer buffer, error_code& ec) = 0;

  // Bytes that can be read without waiting, as far as the kernel knows.
  virtual std::size_t available() const = 0;
  virtual void cancel() = 0;
  virtual void close() = 0;
  // Closes with a reset instead of an orderly end.
  virtual void reset() = 0;
  virtual bool over_tls() const = 0;
};

std::unique_ptr<Transport> make_plain_transport(boost::asio::ip::tcp::socket socket);
// `context` outlives the transport.
std::unique_ptr<Transport> make_tls_transport(boost::asio::ip::tcp::socket socket,
                                              boost::asio::ssl::context& context);
// A server context from PEM files: TLS 1.2 and newer, ALPN http/1.1. Throws std::runtime_error naming
// the file that cannot be used.
std::shared_ptr<boost::asio::ssl::context> make_tls_context(const std::string& certificate,
                                                            const std::string& key);

}  // namespace fluxgate::http

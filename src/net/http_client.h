// The outgoing HTTP client: libcurl's multi interface driven by Asio. One client per io_context; all
// calls on that context's thread.
//
// A failure says how far the request came, because money depends on it: `sent == no` means no byte of
// the request reached the network, so nothing can have been accepted; `maybe` is everything after.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "base/coro.h"
#include "base/http_message.h"

namespace fluxgate::net {

struct Failure {
  enum class Sent { no, maybe };
  // refused: the guard forbids the address (user URLs). too_large: the answer broke max_body.
  enum class Kind { refused, resolve, connect, tls, timeout, closed, too_large, bad_url, cancelled, sink };
  Kind kind = Kind::closed;
  Sent sent = Sent::maybe;
  std::string detail;  // for the log
};

struct CallOptions {
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds timeout{60'000};       // whole call; 0 = none
  std::chrono::milliseconds stall_timeout{30'000}; // no byte for so long
  std::uint64_t max_body = 16 * 1024 * 1024;
  // A request that costs money: fresh connection, never re-sent by the library, no redirects.
  bool exactly_once = false;
  int max_redirects = 0;
  // The URL came from a user: addresses that are not public unicast are refused, on the address
  // actually connected to and on every redirect; HTTP(S)_PROXY is ignored (FETCH_PROXY is used).
  bool guarded = false;
  // Called with each piece of a 2xx answer's body instead of collecting it; false stops the call
  // (Kind::sink). Runs on the client's thread and must not block for long.
  std::function<bool(std::string_view)> sink;
  // Called once with status and headers of the final answer, before the first piece. False stops.
  std::function<bool(const HttpResponse&)> on_head;
};

using Reply = std::expected<HttpResponse, Failure>;

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual awaitable<Reply> call(HttpRequest request, CallOptions options) = 0;
};

struct ClientOptions {
  std::string fetch_proxy;        // FETCH_PROXY, for guarded calls
  bool allow_private_for_tests = false;
  std::size_t max_connections = 256;
};

// The real client. It must be destroyed on (or after the end of) the context's thread; calls under
// way then end with Kind::cancelled.
std::unique_ptr<HttpClient> make_http_client(boost::asio::io_context& context, ClientOptions options = {});

}  // namespace fluxgate::net

// The outgoing HTTP client: libcurl's multi interface driven by Asio. One client per io_context; all
// calls on that context's thread.
//
// A failure says how far the request came, because money depends on it: `sent == no` means no byte of
// the request reached the network, so nothing can have been accepted; `maybe` is everything after.
//
// URLs are http or https. Answers are taken as they come: no content coding is asked for or undone.
// HTTP/2 is used where TLS offers it. Calls that are not guarded honour http_proxy, HTTPS_PROXY and
// NO_PROXY as curl does, except towards this machine's own loopback.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/coro.h"
#include "base/http_message.h"

namespace fluxgate::net {

struct Failure {
  enum class Sent { no, maybe };
  // refused: the guard forbids the URL or the address (user URLs). too_large: the answer broke max_body,
  // or its head 128 KiB. bad_url: nothing that could be sent, or a redirect that leads nowhere or too far.
  // sink: sink or on_head said stop. source: the upload's reader failed. cancelled: by the caller, or the
  // client was destroyed.
  enum class Kind {
    refused,
    resolve,
    connect,
    tls,
    timeout,
    closed,
    too_large,
    bad_url,
    cancelled,
    sink,
    source
  };
  Kind kind = Kind::closed;
  Sent sent = Sent::maybe;
  std::string detail;  // for the log; names the origin, never path, query or headers
};

// The kind's name, for logs and metrics.
std::string_view to_string(Failure::Kind kind);

// A request body that is read while it is sent, instead of being held.
struct Upload {
  std::uint64_t size = 0;  // sent as Content-Length
  // Fills `into` from `offset` and says how many bytes; fewer only at the end; nullopt ends the call. Offsets
  // ascend, but go back to 0 when the body has to be sent again. Runs on the client's thread, as sinks do.
  std::function<std::optional<std::size_t>(std::uint64_t offset, std::span<char> into)> read;
};

struct CallOptions {
  std::chrono::milliseconds connect_timeout{10'000};  // name, connection and TLS together
  std::chrono::milliseconds timeout{60'000};          // whole call with its redirects; 0 = none
  std::chrono::milliseconds stall_timeout{30'000};    // no byte either way for so long; 0 = none
  std::uint64_t max_body = 16 * 1024 * 1024;          // inclusive; collected or given to the sink
  // A request that costs money: fresh connection, HTTP/1.1, never re-sent by the library, no redirects.
  bool exactly_once = false;
  // 301, 302, 303, 307, 308 with a Location; 0 = they are answers like others. Methods change as
  // browsers change them; Authorization, Cookie and their kind do not go along to another origin.
  int max_redirects = 0;
  // The URL came from a user: what check_fetch_url or is_public_address refuses is refused, on the URL
  // and the address actually connected to, and again on every redirect; HTTP(S)_PROXY is ignored
  // (FETCH_PROXY is used, which then checks addresses itself).
  bool guarded = false;
  // Origins an admin configured ("https://host:port"): a guarded call treats them as not guarded.
  std::vector<std::string> exempt_origins = {};
  // The body, in place of HttpRequest::body. Not for redirects that turn into GET.
  std::optional<Upload> upload = {};
  // Called with each piece of a 2xx answer's body instead of collecting it; false stops the call
  // (Kind::sink). Runs on the client's thread, must not block for long, start a call or destroy the
  // client; what it throws is thrown by call(). Other answers' bodies are collected up to 64 KiB and
  // cut there.
  std::function<bool(std::string_view)> sink = {};
  // Called once with status and headers of the final answer, before the first piece. False stops.
  std::function<bool(const HttpResponse&)> on_head = {};
};

using Reply = std::expected<HttpResponse, Failure>;

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual awaitable<Reply> call(HttpRequest request, CallOptions options) = 0;
};

struct ClientOptions {
  std::string fetch_proxy = {};          // FETCH_PROXY, for guarded calls
  bool allow_private_for_tests = false;  // guarded calls: any address and port, all other rules stay
  std::size_t max_connections = 512;     // calls beyond it wait their turn, within their timeout
};

// The real client. It must be destroyed on (or after the end of) the context's thread and before the
// context; calls under way then end with Kind::cancelled.
// Ignores SIGPIPE for the process, as every program that writes to sockets must.
std::unique_ptr<HttpClient> make_http_client(boost::asio::io_context& context, ClientOptions options = {});

}  // namespace fluxgate::net

// An HTTP/1.1 server library. It knows nothing of the product: a Router finds a handler, the handler
// is a coroutine from Request to Response, errors are rendered by a function the product gives.
//
// Threads: `threads` I/O threads, each with its own io_context and its own listening socket
// (SO_REUSEPORT). A connection lives and dies on one thread; its handlers run there, so a handler may
// not block. One request at a time per connection; pipelined requests wait their turn.
//
// RFC 9110 (semantics), RFC 9112 (HTTP/1.1). HEAD is answered from GET, OPTIONS from the routes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/coro.h"
#include "base/http_message.h"
#include "base/result.h"

namespace fluxgate::http {

class Connection;  // internal

// What a handler sees of one request. Lives as long as the handler's coroutine.
class Request {
 public:
  virtual ~Request() = default;
  virtual std::string_view method() const = 0;  // "GET"; HEAD is presented as GET
  virtual bool is_head() const = 0;             // only the headers will be sent
  virtual std::string_view target() const = 0;  // as sent: path and query
  virtual std::string_view path() const = 0;    // percent-decoded, UTF-8, without dot segments
  virtual std::string_view header(std::string_view name) const = 0;  // case-insensitive; "" if absent
  // Every header line in order, names in lower case; for code that hands a request on.
  virtual HeaderList header_list() const = 0;
  virtual std::string_view remote_address() const = 0;               // "203.0.113.9"
  virtual std::string_view id() const = 0;                           // X-Request-Id, taken over or made
  // The decoded value of the first query parameter of that name.
  virtual std::optional<std::string> query(std::string_view name) const = 0;
  // The decoded value of {name} in the route's pattern; the pattern must have it.
  virtual std::string_view param(std::string_view name) const = 0;
  virtual std::string_view cookie(std::string_view name) const = 0;
  virtual bool over_tls() const = 0;

  // Content-Length, or nullopt for chunked or none.
  virtual std::optional<std::uint64_t> content_length() const = 0;

  // The whole body, at most `limit` bytes, else payload_too_large; when the length is announced and
  // too large nothing is read. Sends "100 Continue" first when the client waits for it. Call once,
  // after deciding that the caller may send at all.
  virtual awaitable<Result<std::string>> read_body(std::size_t limit) = 0;
  // The body in pieces for uploads: "" at its end. Errors: payload_too_large beyond `limit` in all,
  // bad_request when the client stops half-way. The view lives until the next call.
  virtual awaitable<Result<std::string_view>> read_some(std::uint64_t limit) = 0;
  // The language of Accept-Language.
  Language language() const { return preferred_language(header("accept-language")); }
};

// Writes a streamed reply in chunks. `write` returns false once the client is gone or the server stops.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  virtual awaitable<bool> write(std::string_view chunk) = 0;
  // True when the server is draining; long streams (SSE) end themselves then.
  virtual bool draining() const = 0;
  // Waits until `wake` is notified, `limit` passed, the client left or the server drains.
  // False when the stream should end.
  virtual awaitable<bool> wait(Wakeup& wake, std::chrono::milliseconds limit) = 0;
};

struct FileBody {
  std::string path;  // regular file; sent with sendfile where possible, ranges honoured (RFC 9110 §14)
  std::string content_type;
  std::string etag;  // without quotes; "" = none
};
using StreamBody = std::function<awaitable<void>(BodyWriter&)>;  // copied into the connection

// A GET's answer with status 200 and an "ETag" header becomes a 304 when the client has that version.
// Content-Length, Transfer-Encoding, Connection, Date and X-Request-Id are the server's: handlers' are
// dropped.
struct Response {
  int status = 200;
  HeaderList headers;
  std::variant<std::string, std::shared_ptr<const std::string>, FileBody, StreamBody> body;
  // For a server that plays a bad network: nothing of this answer is sent, the connection is reset.
  // (A StreamBody that throws ends its connection without the last chunk.)
  bool abort_connection = false;

  static Response json(const boost::json::value& value, int status = 200);
  static Response json_text(std::string text, int status = 200);
  static Response text(std::string text, std::string content_type = "text/plain; charset=utf-8",
                       int status = 200);
  static Response file(FileBody file);
  static Response stream(std::string content_type, StreamBody body);
  static Response redirect(std::string location, int status = 302);
  static Response no_content() { return Response{204, {}, std::string()}; }
  Response&& with(std::string name, std::string value) && {
    headers.emplace_back(std::move(name), std::move(value));
    return std::move(*this);
  }
};

using Handler = std::function<awaitable<Result<Response>>(Request&)>;

// Routes by method and pattern: literal segments, "{name}" for one segment, "{name:int}" for digits
// only (at most 18), "{name:rest}" for the remaining path, which may be empty. Literals win over
// parameters; at most 8 of these in a pattern. Segments are decoded after the path was split, so that
// "%2F" stays inside its segment. A path that is known with other methods gives 405 with Allow, and
// OPTIONS its list. Filled before the server starts, then read-only.
class Router {
 public:
  Router();
  ~Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;
  void add(std::string_view method, std::string_view pattern, Handler handler);
  void get(std::string_view pattern, Handler handler) { add("GET", pattern, std::move(handler)); }
  void post(std::string_view pattern, Handler handler) { add("POST", pattern, std::move(handler)); }
  void put(std::string_view pattern, Handler handler) { add("PUT", pattern, std::move(handler)); }
  void del(std::string_view pattern, Handler handler) { add("DELETE", pattern, std::move(handler)); }
  // Answers every path no route matches (default: not_found).
  void fallback(Handler handler);
  // (method, pattern) of every route, for documentation checks.
  std::vector<std::pair<std::string, std::string>> routes() const;

  struct Match;
  Match match(std::string_view method, std::string_view path) const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;
  Handler fallback_;
};

struct Router::Match {
  const Handler* handler = nullptr;  // null: see allowed
  std::vector<std::pair<std::string, std::string>> params;
  std::vector<std::string> allowed;  // methods, when the path is known with others
};

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0 = any free port
  int threads = 2;
  std::size_t header_limit = 16 * 1024;
  std::chrono::milliseconds header_timeout{10'000};  // from a request's first byte to its header's end
  std::chrono::milliseconds body_timeout{30'000};    // between two pieces of a body
  std::chrono::milliseconds idle_timeout{75'000};    // keep-alive
  std::chrono::milliseconds write_timeout{60'000};   // for each piece written
  std::size_t max_connections = 20'000;
  std::vector<std::string> cors_origins;  // empty = no CORS headers; "*" = any
  std::vector<std::string> cors_expose;
  std::string tls_certificate, tls_key;  // PEM files; both or neither
  // Whether the body of one answer is sent as brotli or gzip where the client takes it: text types of
  // 1 KiB and more (files up to 256 KiB). Its ETag then becomes a weak one. What is sent often is best
  // given as a shared string or a file: those are compressed once.
  bool compress = true;
};

class Server {
 public:
  // How an Error becomes a Response (problem body, language). Must not throw.
  using ErrorRenderer = std::function<Response(const Request*, const Error&)>;

  Server(ServerOptions options, Router router, ErrorRenderer render);
  ~Server();

  // Binds and starts the threads. Throws std::runtime_error naming host and port when it cannot bind.
  void start();
  std::uint16_t port() const;  // the bound port
  // The executor of I/O thread `index`; work posted there runs beside its connections. Lives as long as
  // the Server; runs nothing any more once `stop` has returned.
  boost::asio::any_io_executor executor(int index) const;
  int threads() const;

  // Stops accepting, lets requests in flight end, then closes what is left after `deadline`.
  // Blocks until the threads have ended; safe to call twice. Not from an I/O thread. A handler is never
  // cancelled, whatever the deadline: its client is gone, but a transaction it waits for ends properly.
  // So handlers bound their own waits.
  void stop(std::chrono::milliseconds deadline);
  // Begins the drain without waiting: no new connections, "Connection: close" on answers, streams told.
  void drain();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fluxgate::http

// libcurl's multi handle on an io_context: curl says which sockets and which timer it waits for, Asio
// waits, and what happened is handed back to curl (curl_multi_socket_action). No thread, no polling.
//
// Everything runs on the context's one thread. The object is shared: transfers hold it, so it outlives
// the client that made it; `shut_down()` is what ends its work.
#pragma once

#include <memory>
#include <unordered_map>
#include <unordered_set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <curl/curl.h>

namespace fluxgate::net {

// Somebody who waits for an easy handle. The handle's CURLOPT_PRIVATE points to it.
class Waiter {
 public:
  virtual ~Waiter() = default;
  // The transfer has ended and its handle is out of the multi handle. Runs outside of curl.
  virtual void finished(CURLcode code) = 0;
};

class CurlMulti : public std::enable_shared_from_this<CurlMulti> {
 public:
  CurlMulti(boost::asio::io_context& context, std::size_t max_connections);
  ~CurlMulti();
  CurlMulti(const CurlMulti&) = delete;
  CurlMulti& operator=(const CurlMulti&) = delete;

  // Starts the handle's transfer. Exactly one call of `waiter.finished` follows, unless `remove` comes
  // first. The waiter outlives the transfer.
  void add(CURL* easy, Waiter& waiter);
  // Ends a transfer early; its connection is closed unless it is shared (HTTP/2). Not from within
  // curl's callbacks.
  void remove(CURL* easy);

  // Ends every transfer with CURLE_ABORTED_BY_CALLBACK and closes all connections. Safe twice.
  void shut_down();
  bool is_shut_down() const { return !multi_; }
  // True while curl is on the stack: it must not be entered again then.
  bool inside() const { return inside_; }

  // TLS sessions are shared between handles, so that a fresh connection need not mean a full handshake.
  CURLSH* share() const { return share_; }
  boost::asio::io_context& context() { return context_; }

 private:
  struct Socket;

  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket);
  static int on_timer(CURLM* multi, long timeout_ms, void* self);
  void watch(curl_socket_t fd, int what, const std::shared_ptr<Socket>& known);
  void unwatch(curl_socket_t fd);
  void wait_readable(const std::shared_ptr<Socket>& socket);
  void wait_writable(const std::shared_ptr<Socket>& socket);
  void act(curl_socket_t fd, int events);
  void collect_finished();

  boost::asio::io_context& context_;
  boost::asio::steady_timer timer_;
  CURLSH* share_ = nullptr;
  CURLM* multi_ = nullptr;
  bool inside_ = false;
  std::unordered_map<curl_socket_t, std::shared_ptr<Socket>> sockets_;
  std::unordered_set<CURL*> transfers_;
};

}  // namespace fluxgate::net

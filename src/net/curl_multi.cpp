#include "net/curl_multi.h"

#include <csignal>
#include <mutex>
#include <new>

#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/result.h"

namespace fluxgate::net {
namespace {

// Idle connections kept for reuse, and for how long: below the 60 s after which common servers and
// load balancers close theirs.
constexpr long kIdleConnections = 64;

void initialise_curl() {
  static std::once_flag once;
  std::call_once(once, [] {
    // OpenSSL writes to sockets without MSG_NOSIGNAL, and with CURLOPT_NOSIGNAL curl does not shield it.
    std::signal(SIGPIPE, SIG_IGN);
    FLUX_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
  });
}

}  // namespace

// A socket of curl's that Asio watches. Asio only borrows the descriptor: curl opens and closes it.
struct CurlMulti::Socket {
  Socket(boost::asio::io_context& context, curl_socket_t socket_fd)
      : descriptor(context, socket_fd), fd(socket_fd) {}
  boost::asio::posix::stream_descriptor descriptor;
  curl_socket_t fd;
  int wanted = CURL_POLL_NONE;  // CURL_POLL_IN, _OUT or _INOUT
  bool reading = false;         // a wait is under way
  bool writing = false;
  bool removed = false;
};

CurlMulti::CurlMulti(boost::asio::io_context& context, std::size_t max_connections)
    : context_(context), timer_(context) {
  initialise_curl();
  share_ = curl_share_init();
  multi_ = curl_multi_init();
  if (!share_ || !multi_) throw std::bad_alloc();
  curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlMulti::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlMulti::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(max_connections));
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kIdleConnections);
}

CurlMulti::~CurlMulti() {
  shut_down();
  curl_share_cleanup(share_);  // after the last easy handle: transfers hold this object
}

void CurlMulti::add(CURL* easy, Waiter& waiter) {
  FLUX_ASSERT(multi_ && !inside_);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, static_cast<void*>(&waiter));
  transfers_.insert(easy);
  const CURLMcode code = curl_multi_add_handle(multi_, easy);
  if (code == CURLM_OK) return;
  transfers_.erase(easy);
  throw std::bad_alloc();  // the only failure that a correct program can see
}

void CurlMulti::remove(CURL* easy) {
  if (!multi_ || transfers_.erase(easy) == 0) return;
  FLUX_ASSERT(!inside_);
  curl_multi_remove_handle(multi_, easy);
}

void CurlMulti::shut_down() {
  if (!multi_) return;
  FLUX_ASSERT(!inside_);
  auto transfers = std::move(transfers_);
  transfers_.clear();
  for (CURL* easy : transfers) curl_multi_remove_handle(multi_, easy);
  curl_multi_cleanup(multi_);  // closes the idle connections; on_socket is called for them
  multi_ = nullptr;
  for (auto& [fd, socket] : sockets_) {
    socket->removed = true;
    socket->descriptor.release();
  }
  sockets_.clear();
  timer_.cancel();
  for (CURL* easy : transfers) {
    Waiter* waiter = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &waiter);
    waiter->finished(CURLE_ABORTED_BY_CALLBACK);
  }
}

int CurlMulti::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  auto& multi = *static_cast<CurlMulti*>(self);
  if (what == CURL_POLL_REMOVE) {
    multi.unwatch(fd);
    return 0;
  }
  const auto found = multi.sockets_.find(fd);
  multi.watch(fd, what, found == multi.sockets_.end() ? nullptr : found->second);
  return 0;
}

void CurlMulti::watch(curl_socket_t fd, int what, const std::shared_ptr<Socket>& known) {
  auto socket = known;
  if (!socket) {
    socket = std::make_shared<Socket>(context_, fd);
    sockets_.emplace(fd, socket);
  }
  socket->wanted = what;
  wait_readable(socket);
  wait_writable(socket);
}

// curl always says so before it closes a socket, so the number cannot be another's by now.
void CurlMulti::unwatch(curl_socket_t fd) {
  const auto found = sockets_.find(fd);
  if (found == sockets_.end()) return;
  found->second->removed = true;
  found->second->descriptor.release();
  sockets_.erase(found);
}

void CurlMulti::wait_readable(const std::shared_ptr<Socket>& socket) {
  if (socket->reading || socket->removed || !(socket->wanted & CURL_POLL_IN)) return;
  socket->reading = true;
  socket->descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                                [self = shared_from_this(), socket](const boost::system::error_code& error) {
                                  socket->reading = false;
                                  if (socket->removed || error == boost::asio::error::operation_aborted)
                                    return;
                                  if (socket->wanted & CURL_POLL_IN)
                                    self->act(socket->fd, error ? CURL_CSELECT_ERR : CURL_CSELECT_IN);
                                  self->wait_readable(socket);
                                });
}

void CurlMulti::wait_writable(const std::shared_ptr<Socket>& socket) {
  if (socket->writing || socket->removed || !(socket->wanted & CURL_POLL_OUT)) return;
  socket->writing = true;
  socket->descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                                [self = shared_from_this(), socket](const boost::system::error_code& error) {
                                  socket->writing = false;
                                  if (socket->removed || error == boost::asio::error::operation_aborted)
                                    return;
                                  if (socket->wanted & CURL_POLL_OUT)
                                    self->act(socket->fd, error ? CURL_CSELECT_ERR : CURL_CSELECT_OUT);
                                  self->wait_writable(socket);
                                });
}

int CurlMulti::on_timer(CURLM*, long timeout_ms, void* self) {
  auto& multi = *static_cast<CurlMulti*>(self);
  if (timeout_ms < 0) {
    multi.timer_.cancel();
    return 0;
  }
  // Also for 0: curl must not be entered from its own callback.
  multi.timer_.expires_after(std::chrono::milliseconds(timeout_ms));
  multi.timer_.async_wait([weak = multi.weak_from_this()](const boost::system::error_code& error) {
    const auto alive = weak.lock();
    if (!error && alive) alive->act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

void CurlMulti::act(curl_socket_t fd, int events) {
  if (!multi_) return;
  int running = 0;
  inside_ = true;
  curl_multi_socket_action(multi_, fd, events, &running);
  inside_ = false;
  collect_finished();
}

void CurlMulti::collect_finished() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode code = message->data.result;  // the message dies with the removal
    Waiter* waiter = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &waiter);
    transfers_.erase(easy);
    curl_multi_remove_handle(multi_, easy);
    waiter->finished(code);
  }
}

}  // namespace fluxgate::net

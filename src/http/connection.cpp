#include "http/connection.h"

#include "base/log.h"

namespace fluxgate::http {
namespace {

using namespace std::chrono_literals;

// How long a client may take to read our last words and hang up. Closing at once while it still sends
// would make its kernel throw the answer away (RFC 9112 §9.6).
constexpr auto kLingerGap = 2s;
constexpr auto kLingerTotal = 10s;
constexpr std::size_t kKeptBuffer = 16 * 1024;

}  // namespace

Connection::Connection(Lane& lane, std::unique_ptr<Transport> transport, std::string remote_address,
                       Admission admission, const boost::asio::any_io_executor& executor)
    : lane_(lane),
      site_(lane.site()),
      transport_(std::move(transport)),
      remote_address_(std::move(remote_address)),
      admission_(admission),
      executor_(executor) {
  lane_.members.push_back(*this);
  ++site_.connections;
}

Connection::~Connection() { --site_.connections; }

awaitable<void> Connection::run() {
  error_code ec;
  arm(site_.options.header_timeout);
  co_await transport_->handshake(ec);
  disarm();
  if (!ec) {
    bool more = true;
    while (more) more = co_await serve_one();
    co_await close();
  }
  transport_->close();
}

awaitable<bool> Connection::serve_one() {
  reset();
  const HeadOutcome outcome = co_await read_head();
  disarm();
  if (outcome == HeadOutcome::gone || lane_.closing) co_return false;
  take_id();
  if (outcome == HeadOutcome::complete) {
    std::optional<Response> refusal = refuse_head();
    if (refusal) {
      body_ = BodyState::refused;
      co_await send(std::move(*refusal));
      co_return false;
    }
    Response response = co_await answer();
    co_await send(std::move(response));
    const bool ready = co_await discard_body();
    co_return ready;
  }
  body_ = BodyState::refused;
  Response refusal = outcome == HeadOutcome::too_large
                         ? plain_problem(431, "header_too_large", "The request header is too large.")
                     : outcome == HeadOutcome::timed_out
                         ? plain_problem(408, "header_timeout", "The request header took too long.")
                         : render(Error(Errc::bad_request, "malformed_request",
                                        {"This is not a valid HTTP request.", "这不是有效的 HTTP 请求。"}));
  co_await send(std::move(refusal));
  co_return false;
}

void Connection::reset() {
  head_.clear();
  match_.handler = nullptr;
  match_.params.clear();
  match_.allowed.clear();
  parser_.emplace(head_);
  parser_->header_limit(static_cast<std::uint32_t>(site_.options.header_limit));
  head_bytes_ = consumed_ = 0;
  body_received_ = 0;
  body_ = BodyState::open;
  head_request_ = wants_continue_ = keep_alive_ = chunked_ = false;
  if (in_.size() != 0) return;
  // An idle connection keeps little: thousands of them may wait at once.
  if (in_.capacity() > kKeptBuffer) in_.shrink_to_fit();
  if (out_.capacity() > kKeptBuffer) std::string().swap(out_);
  head_.shrink();
}

awaitable<void> Connection::close() {
  if (gone_ || !said_close_) co_return;  // an idle connection: nothing is under way that could be lost
  arm(kLingerGap);
  co_await transport_->shutdown();
  co_await linger();
  disarm();
}

awaitable<void> Connection::linger() {
  const Time end = std::chrono::steady_clock::now() + kLingerTotal;
  in_.clear();
  error_code ec;
  while (!ec && !timed_out_ && !lane_.closing && std::chrono::steady_clock::now() < end) {
    arm(kLingerGap);
    co_await transport_->discard(in_.prepare(kKeptBuffer), ec);
  }
}

void Connection::arm(std::chrono::milliseconds limit) {
  timed_out_ = false;
  deadline_ = std::chrono::steady_clock::now() + limit;
}

void Connection::expire_before(Time now) {
  if (deadline_ >= now) return;
  disarm();
  timed_out_ = true;
  transport_->cancel();
}

void Connection::begin_drain() {
  if (idle_) transport_->cancel();
  if (waiting_ != nullptr) waiting_->notify();
}

void Connection::abort() {
  gone_ = true;
  transport_->close();
  if (waiting_ != nullptr) waiting_->notify();
}

std::string_view Connection::param(std::string_view name) const {
  for (const auto& [key, value] : match_.params)
    if (key == name) return value;
  FLUX_ASSERT(name.empty());  // the route's pattern has no such parameter: a bug of the handler's
  return {};
}

}  // namespace fluxgate::http

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "http/connection.h"

namespace fluxgate::http {
namespace {

namespace beast_http = boost::beast::http;

constexpr std::size_t kHeadRead = 4096;
constexpr std::size_t kBodyRead = 64 * 1024;
// What is left of a body nobody wanted is read over up to this size, to keep the connection.
constexpr std::uint64_t kDiscardMax = 64 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// RFC 9110 leaves the form open; what is outside this set could confuse logs.
bool is_sane_id(std::string_view id) {
  static constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !id.empty() && id.size() <= 128 && id.find_first_not_of(kAllowed) == std::string_view::npos;
}

Error too_large(std::uint64_t limit) {
  return Error(Errc::payload_too_large, "payload_too_large",
               {fmt::format("The body is larger than {} bytes.", limit),
                fmt::format("请求体超过 {} 字节。", limit)})
      .with("limit_bytes", limit);
}

}  // namespace

awaitable<Connection::HeadOutcome> Connection::read_head() {
  idle_ = in_.size() == 0;
  arm(idle_ ? site_.options.idle_timeout : site_.options.header_timeout);
  for (;;) {
    if (const auto outcome = parse_head()) co_return *outcome;
    // A request that has just come in when the drain begins is still served.
    if (idle_ && lane_.draining && transport_->available() == 0) co_return HeadOutcome::gone;
    error_code ec;
    const std::size_t size = co_await transport_->read(in_.prepare(kHeadRead), ec);
    in_.commit(size);
    if (ec) {
      if (idle_ && !timed_out_ && ec == boost::asio::error::operation_aborted && !gone_) continue;
      const bool waited = timed_out_ && !idle_ && !gone_;
      idle_ = false;
      co_return waited ? HeadOutcome::timed_out : HeadOutcome::gone;
    }
    if (std::exchange(idle_, false)) arm(site_.options.header_timeout);
  }
}

// Feeds what is buffered to the parser; nullopt when more is needed.
std::optional<Connection::HeadOutcome> Connection::parse_head() {
  const std::size_t limit = site_.options.header_limit;
  // Line ends between requests are let pass (RFC 9112 §2.2), and count.
  while (!parser_->got_some() && in_.size() >= 2 && head_bytes_ <= limit) {
    const auto* bytes = static_cast<const char*>(in_.data().data());
    if (bytes[0] != '\r' || bytes[1] != '\n') break;
    in_.consume(2);
    head_bytes_ += 2;
  }
  if (in_.size() > 0 && !(in_.size() == 1 && static_cast<const char*>(in_.data().data())[0] == '\r')) {
    error_code ec;
    const std::size_t used = parser_->put(in_.data(), ec);
    in_.consume(used);
    head_bytes_ += used;
    if (ec == beast_http::error::header_limit) return HeadOutcome::too_large;
    if (ec && ec != beast_http::error::need_more) return HeadOutcome::malformed;
  }
  const bool complete = parser_->is_header_done();
  // Beast forgets what it has parsed before, so that the limit for the whole is kept here.
  if (head_bytes_ + (complete ? 0 : in_.size()) > limit) return HeadOutcome::too_large;
  if (complete) return HeadOutcome::complete;
  return std::nullopt;
}

void Connection::take_id() {
  const std::string_view given = head_.field("x-request-id");
  if (is_sane_id(given))
    id_.assign(given);
  else
    lane_.make_id(id_);
}

// What RFC 9112 asks a server to refuse and Beast lets through, before any handler sees it.
std::optional<Response> Connection::refuse_head() {
  const auto malformed = [this](std::string code, Text message) {
    return render(Error(Errc::bad_request, std::move(code), std::move(message)));
  };
  head_request_ = head_.method() == "HEAD";
  if (admission_ == Admission::overloaded)
    return plain_problem(503, "overloaded", "Too many connections.").with("Retry-After", "1");
  const std::size_t hosts = head_.count("host");
  if (hosts > 1 || (hosts == 0 && head_.version() >= 11))
    return malformed("bad_host", {"There must be one Host header.", "必须有且仅有一个 Host 头。"});
  if (head_.count("transfer-encoding") > 0) {
    if (head_.count("content-length") > 0 || head_.version() < 11)
      return malformed("bad_framing", {"The length of the body is ambiguous.", "请求体的长度有歧义。"});
    if (!equals_ignoring_case(head_.field("transfer-encoding"), "chunked"))
      return plain_problem(501, "unsupported_transfer_coding",
                           "Only the chunked transfer coding is understood.");
  }
  // Equal duplicates are allowed to be merged; refusing them leaves no room for another reading.
  if (head_.count("content-length") > 1 || head_.field("content-length").find(',') != std::string_view::npos)
    return malformed("bad_framing", {"There is more than one Content-Length.", "Content-Length 重复。"});
  if (!head_.resolve_target())
    return malformed("bad_target", {"The request target is malformed.", "请求路径格式错误。"});
  const std::string_view expect = head_.field("expect");
  if (!expect.empty() && head_.version() >= 11) {
    if (!equals_ignoring_case(expect, "100-continue"))
      return plain_problem(417, "unknown_expectation", "Only 100-continue can be expected.");
    wants_continue_ = !parser_->is_done();
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Connection::content_length() const {
  const auto length = parser_->content_length();
  return length ? std::optional<std::uint64_t>(*length) : std::nullopt;
}

awaitable<Result<std::string>> Connection::read_body(std::size_t limit) {
  std::string body;
  if (const auto length = content_length(); length && *length <= limit)
    body.reserve(std::min<std::size_t>(*length, 1024 * 1024));  // the rest only as it really comes
  for (;;) {
    Result<std::string_view> piece = co_await read_some(limit);
    if (!piece) co_return fail(std::move(piece).error());
    if (piece->empty()) co_return body;
    body.append(*piece);
  }
}

awaitable<Result<std::string_view>> Connection::read_some(std::uint64_t limit) {
  for (;;) {
    Result<std::string_view> piece = parse_body(limit);
    if (!piece || !piece->empty() || parser_->is_done()) co_return piece;
    const bool filled = co_await fill_body();
    if (!filled) co_return fail(body_error());
  }
}

// The next piece of the body in the buffer; "" when more must be read, or nothing is left.
Result<std::string_view> Connection::parse_body(std::uint64_t limit) {
  in_.consume(std::exchange(consumed_, 0));
  if (const auto length = content_length(); length && *length > limit) body_ = BodyState::refused;
  while (body_ == BodyState::open && !parser_->is_done() && in_.size() > 0) {
    error_code ec;
    const std::size_t used = parser_->put(in_.data(), ec);
    const std::string_view piece = parser_->take_piece();
    if (ec == beast_http::error::need_more) {
      in_.consume(used);
      // Only the line of a chunk's size and the trailers can need this much at once.
      if (in_.size() > site_.options.header_limit) body_ = BodyState::broken;
      break;
    }
    if (ec) {
      body_ = BodyState::broken;
    } else if (piece.empty()) {
      in_.consume(used);
    } else if (body_received_ += piece.size(); body_received_ > limit) {
      body_ = BodyState::refused;
    } else {
      consumed_ = used;
      return piece;
    }
  }
  if (body_ == BodyState::refused) return fail(too_large(limit));
  if (body_ != BodyState::open) return fail(body_error());
  return std::string_view();
}

awaitable<bool> Connection::fill_body() {
  if (std::exchange(wants_continue_, false) && in_.size() == 0) {
    const boost::asio::const_buffer line[] = {boost::asio::buffer(kContinue)};
    co_await write_all(line);
  }
  error_code ec;
  arm(site_.options.body_timeout);
  const std::size_t size = co_await transport_->read(in_.prepare(kBodyRead), ec);
  disarm();
  in_.commit(size);
  if (ec) body_ = timed_out_ && !gone_ ? BodyState::stalled : BodyState::broken;
  co_return !ec;
}

Error Connection::body_error() const {
  if (body_ == BodyState::stalled)
    return Error(Errc::bad_request, "body_timeout", {"The body stopped coming.", "请求体传输中断。"});
  return Error(Errc::bad_request, "body_incomplete",
               {"The body is malformed or ended too early.", "请求体格式错误或不完整。"});
}

// Whether the connection can carry another request after this one: all of the body was read, or what is
// left is known to be small. Nothing is promised for chunks still to come, whose size nobody knows.
bool Connection::body_settles() {
  if (body_ != BodyState::open) return false;
  if (parser_->is_done()) return true;
  if (wants_continue_) return false;
  if (const auto left = parser_->content_length_remaining()) return *left <= kDiscardMax;
  for (;;) {
    const Result<std::string_view> piece = parse_body(UINT64_MAX);
    if (!piece || piece->empty()) return piece && parser_->is_done();
  }
}

awaitable<bool> Connection::discard_body() {
  if (!keep_alive_ || gone_) co_return false;
  for (;;) {
    const Result<std::string_view> piece = co_await read_some(UINT64_MAX);
    if (!piece || piece->empty()) co_return piece.has_value();
  }
}

// Reads while a stream waits: only so does one learn that the client left. Requests it sends ahead are
// kept, within the limit of a header.
awaitable<void> Connection::watch() {
  error_code ec;
  const std::size_t size = co_await transport_->read(in_.prepare(kHeadRead), ec);
  in_.commit(size);
  if (ec && ec != boost::asio::error::operation_aborted) gone_ = true;
}

awaitable<bool> Connection::wait(Wakeup& wake, std::chrono::milliseconds limit) {
  using boost::asio::experimental::awaitable_operators::operator||;
  if (gone_ || lane_.draining) co_return false;
  waiting_ = &wake;
  if (in_.size() < site_.options.header_limit)
    co_await (wake.wait_for(limit) || watch());
  else
    co_await wake.wait_for(limit);
  waiting_ = nullptr;
  co_return !gone_ && !lane_.draining;
}

}  // namespace fluxgate::http

#include "net/transfer.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>

#include "net/guard.h"
#include "version.h"

namespace fluxgate::net {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

// A proxy cannot reach this machine's own loopback, where the sandbox listens.
bool is_loopback_host(const Url& url) {
  return url.host == "localhost" || url.host == "::1" ||
         (url.host_kind == Url::Host::ipv4 && url.host.starts_with("127."));
}

}  // namespace

Transfer::Transfer(std::shared_ptr<CurlMulti> multi, const HttpRequest& request, const CallOptions& options,
                   Url url, Rules rules)
    : multi_(std::move(multi)),
      request_(request),
      options_(options),
      url_(std::move(url)),
      rules_(std::move(rules)),
      event_(multi_->context()) {}

Transfer::~Transfer() {
  if (added_ && !ended_) multi_->remove(easy_);
  if (easy_) curl_easy_cleanup(easy_);
  curl_slist_free_all(header_lines_);
}

void Transfer::finished(CURLcode code) {
  ended_ = code;
  event_.cancel();
}

awaitable<Reply> Transfer::run(std::optional<TimePoint> deadline) {
  if (multi_->is_shut_down())
    co_return std::unexpected(failure(Failure::Kind::cancelled, "the client has stopped"));
  easy_ = curl_easy_init();
  if (!easy_) throw std::bad_alloc();
  if (!configure_headers())
    co_return std::unexpected(
        failure(Failure::Kind::bad_url, "a header or the method holds control characters"));
  configure();
  multi_->add(easy_, *this);
  added_ = true;
  while (!ended_) {
    event_.expires_at(next_look(deadline));
    boost::system::error_code cut_short;
    co_await event_.async_wait(boost::asio::redirect_error(use_awaitable, cut_short));
    if (ended_) break;
    const auto cancellation = co_await boost::asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != boost::asio::cancellation_type::none) {
      multi_->remove(easy_);
      ended_ = CURLE_ABORTED_BY_CALLBACK;
      break;
    }
    const auto now = std::chrono::steady_clock::now();
    const bool late = deadline && now >= *deadline;
    if (!late && !is_silent(now)) continue;
    multi_->remove(easy_);
    ended_ = CURLE_OPERATION_TIMEDOUT;
    co_return std::unexpected(
        failure(Failure::Kind::timeout, late ? "the whole call took too long" : "the line fell silent"));
  }
  co_return result();
}

// ---- options ----

void Transfer::configure() {
  const auto set = [this](CURLoption option, auto value) { curl_easy_setopt(easy_, option, value); };
  set(CURLOPT_URL, url_.text.c_str());
  set(CURLOPT_PATH_AS_IS, 1L);  // signatures of links cover the path as it was written
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NOSIGNAL, 1L);
  // Without it, giving up a call waits on the I/O thread for a resolver that does not answer.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_SHARE, multi_->share());
  set(CURLOPT_ERRORBUFFER, error_text_.data());
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  set(CURLOPT_MAXAGE_CONN, 55L);  // below the 60 s after which many servers close idle connections
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::open_socket);
  set(CURLOPT_OPENSOCKETDATA, this);
  set(CURLOPT_PREREQFUNCTION, &Transfer::before_request);
  set(CURLOPT_PREREQDATA, this);
  set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  set(CURLOPT_WRITEDATA, this);
  // curl sends a request again, unasked, when a reused connection dies before the answer's first byte
  // and when an HTTP/2 server refuses a stream. Neither can happen on a fresh HTTP/1.1 connection.
  set(CURLOPT_HTTP_VERSION,
      static_cast<long>(options_.exactly_once ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
  if (options_.exactly_once) {
    set(CURLOPT_FRESH_CONNECT, 1L);
    set(CURLOPT_FORBID_REUSE, 1L);
  }
  configure_method();
  configure_proxy();
}

void Transfer::configure_method() {
  const bool has_body = !request_.body.empty();
  if (request_.method == "HEAD") {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
    return;
  }
  if (options_.upload) {
    curl_easy_setopt(easy_, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(options_.upload->size));
    curl_easy_setopt(easy_, CURLOPT_READFUNCTION, &Transfer::on_upload);
    curl_easy_setopt(easy_, CURLOPT_READDATA, this);
    curl_easy_setopt(easy_, CURLOPT_SEEKFUNCTION, &Transfer::on_rewind);
    curl_easy_setopt(easy_, CURLOPT_SEEKDATA, this);
  } else if (has_body || request_.method == "POST" || request_.method == "PUT" ||
             request_.method == "PATCH") {
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request_.body.c_str());
  }
  curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

// False when a name, a value or the method would break out of its line.
bool Transfer::configure_headers() {
  const auto is_clean = [](std::string_view text) {
    return std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
  };
  const auto add = [this](const std::string& line) {
    curl_slist* longer = curl_slist_append(header_lines_, line.c_str());
    if (!longer) throw std::bad_alloc();
    header_lines_ = longer;
  };
  if (request_.method.empty() || request_.method.find_first_of(" \t\r\n") != std::string::npos) return false;
  bool has_agent = false, has_type = false;
  for (const auto& [name, value] : request_.headers) {
    if (name.empty() || name.contains(':') || !is_clean(name) || !is_clean(value)) return false;
    const std::string key = lower(name);
    has_agent |= key == "user-agent";
    has_type |= key == "content-type";
    add(value.empty() ? name + ";" : name + ": " + value);  // "Name:" would remove the header
  }
  if (!has_agent) add(fmt::format("User-Agent: fluxgate/{}", kVersion));
  if (!has_type) add("Content-Type:");  // not the form type that curl assumes
  // curl would wait a second for "100 Continue", and on 417 send the request a second time.
  add("Expect:");
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, header_lines_);
  return true;
}

void Transfer::configure_proxy() {
  if (rules_.guarded) {
    curl_easy_setopt(easy_, CURLOPT_PROXY,
                     rules_.fetch_proxy.c_str());  // "" = none, whatever the environment says
    curl_easy_setopt(easy_, CURLOPT_NOPROXY, "");  // and no way around it by NO_PROXY
  } else if (is_loopback_host(url_)) {
    curl_easy_setopt(easy_, CURLOPT_PROXY, "");
  }
}

// ---- curl's callbacks ----

curl_socket_t Transfer::open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(self);
  const auto& rules = transfer.rules_;
  if (rules.guarded && !rules.any_address && rules.fetch_proxy.empty()) {
    std::array<char, NI_MAXHOST> text{};
    const bool readable = getnameinfo(&address->addr, static_cast<socklen_t>(address->addrlen), text.data(),
                                      text.size(), nullptr, 0, NI_NUMERICHOST) == 0;
    if (!readable || !is_public_address(text.data())) {
      transfer.refused_address_ = text.data();
      return CURL_SOCKET_BAD;  // curl goes on to the name's next address
    }
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// A connection stands and the request is about to be written. Reused connections pass here too: one that
// an unguarded call opened to a private address must not serve a guarded one.
int Transfer::before_request(void* self, char* address, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(self);
  const auto& rules = transfer.rules_;
  if (rules.guarded && !rules.any_address && rules.fetch_proxy.empty() && !is_public_address(address)) {
    transfer.refused_address_ = address;
    transfer.stop_ = Stop::refused;
    return CURL_PREREQFUNC_ABORT;
  }
  ++transfer.requests_begun_;
  transfer.last_byte_ = std::chrono::steady_clock::now();
  return CURL_PREREQFUNC_OK;
}

template <class Receiver>
bool Transfer::shielded(Receiver receiver) {
  try {
    return receiver();
  } catch (...) {
    thrown_ = std::current_exception();
    return stop(Stop::thrown);
  }
}

std::size_t Transfer::on_header(char* data, std::size_t one, std::size_t size, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const bool taken = transfer.shielded([&] { return transfer.take_header({data, one * size}); });
  return taken ? one * size : CURL_WRITEFUNC_ERROR;
}

std::size_t Transfer::on_body(char* data, std::size_t one, std::size_t size, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const bool taken = transfer.shielded([&] { return transfer.take_body({data, one * size}); });
  return taken ? one * size : CURL_WRITEFUNC_ERROR;
}

std::size_t Transfer::on_upload(char* into, std::size_t one, std::size_t size, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  std::size_t given = CURL_READFUNC_ABORT;
  transfer.shielded([&] {
    given = transfer.give_body({into, one * size});
    return true;
  });
  return given;
}

// curl sends the body from its start again on a connection that replaces one that died while idle.
int Transfer::on_rewind(void* self, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_FAIL;
  static_cast<Transfer*>(self)->upload_read_ = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

// ---- the request's body ----

std::size_t Transfer::give_body(std::span<char> into) {
  const Upload& upload = *options_.upload;
  const std::uint64_t left = upload.size - upload_read_;
  if (left == 0) return 0;
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, into.size())));
  const auto given = upload.read(upload_read_, into);
  if (!given || *given == 0 || *given > into.size()) {
    stop_ = Stop::source;
    return CURL_READFUNC_ABORT;
  }
  upload_read_ += *given;
  return *given;
}

// ---- the answer ----

bool Transfer::stop(Stop why) {
  stop_ = why;
  return false;
}

bool Transfer::take_header(std::string_view line) {
  last_byte_ = std::chrono::steady_clock::now();
  if (head_done_) return true;  // trailers say nothing we need
  head_bytes_ += line.size();
  if (head_bytes_ > kHeadBytesMax) return stop(Stop::too_large);
  if (line.starts_with("HTTP/")) {  // also after an interim answer
    response_.headers.clear();
    const std::size_t space = line.find(' ');
    response_.status = 0;
    if (space != std::string_view::npos)
      std::from_chars(line.data() + space + 1, line.data() + line.size(), response_.status);
    return true;
  }
  const std::string_view content = trimmed(line);
  if (content.empty()) return take_head();
  const std::size_t colon = content.find(':');
  if (colon == std::string_view::npos) return true;
  response_.headers.emplace_back(lower(trimmed(content.substr(0, colon))),
                                 trimmed(content.substr(colon + 1)));
  return true;
}

// The head of an answer is complete.
bool Transfer::take_head() {
  if (response_.status < 200) return true;  // interim (RFC 9110 §15.2)
  head_done_ = true;
  if (will_be_followed()) return true;
  const std::string_view length = response_.header("content-length");
  std::uint64_t announced = 0;
  std::from_chars(length.data(), length.data() + length.size(), announced);
  const bool cut = options_.sink && !goes_to_sink();  // an error's body is cut, not refused
  if (request_.method != "HEAD" && !cut && announced > options_.max_body) return stop(Stop::too_large);
  if (options_.on_head && !options_.on_head(response_)) return stop(Stop::sink);
  return true;
}

bool Transfer::take_body(std::string_view piece) {
  last_byte_ = std::chrono::steady_clock::now();
  body_bytes_ += piece.size();
  if (will_be_followed()) return body_bytes_ <= kErrorBodyMax || stop(Stop::cut);
  if (options_.sink && !goes_to_sink()) {
    const std::uint64_t limit = std::min<std::uint64_t>(kErrorBodyMax, options_.max_body);
    response_.body.append(piece.substr(0, static_cast<std::size_t>(limit) - response_.body.size()));
    return body_bytes_ <= limit || stop(Stop::cut);
  }
  if (body_bytes_ > options_.max_body) return stop(Stop::too_large);
  if (options_.sink) return options_.sink(piece) || stop(Stop::sink);
  response_.body.append(piece);
  return true;
}

bool Transfer::is_followed(const HttpResponse& response) {
  const int status = response.status;
  const bool redirect = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
  return redirect && !response.header("location").empty();
}

bool Transfer::will_be_followed() const { return rules_.follows_redirects && is_followed(response_); }

bool Transfer::goes_to_sink() const {
  return options_.sink && response_.status >= 200 && response_.status < 300;
}

// ---- time ----

// When the waiting coroutine looks at the clock again. Until the request begins, connect_timeout rules.
Transfer::TimePoint Transfer::next_look(std::optional<TimePoint> deadline) const {
  auto look = TimePoint::max();
  if (options_.stall_timeout.count() > 0)
    look = (requests_begun_ > 0 ? last_byte_ : std::chrono::steady_clock::now()) + options_.stall_timeout;
  return deadline ? std::min(look, *deadline) : look;
}

// Bytes that come in are stamped; bytes that go out are only counted, and looked at here.
bool Transfer::is_silent(TimePoint now) {
  if (options_.stall_timeout.count() <= 0 || requests_begun_ == 0) return false;
  curl_off_t uploaded = 0;
  curl_easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &uploaded);
  if (uploaded != uploaded_) {
    uploaded_ = uploaded;
    last_byte_ = now;
  }
  return now >= last_byte_ + options_.stall_timeout;
}

// ---- the end ----

// "No" must be certain, for it lets a paid request be made again. It is said only in two cases:
// - curl never came to PREREQFUNCTION, which it calls when connection, TLS and tunnel stand and before it
//   composes the request; or
// - it came there once, and the count of request bytes that it handed to the socket (or to TLS) is zero.
// After a second call (curl re-sent on its own) the count may have started anew and proves nothing.
// The count also includes a tunnel's CONNECT, which errs on the side of "maybe".
Failure::Sent Transfer::sent() const {
  if (requests_begun_ == 0) return Failure::Sent::no;
  long request_bytes = 0;
  const bool known = curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &request_bytes) == CURLE_OK;
  if (requests_begun_ == 1 && known && request_bytes == 0) return Failure::Sent::no;
  return Failure::Sent::maybe;
}

Failure Transfer::failure(Failure::Kind kind, std::string detail) const {
  return {kind, sent(), fmt::format("{} {}: {}", request_.method, url_.origin(), detail)};
}

Failure Transfer::failure_of(CURLcode code) const {
  using Kind = Failure::Kind;
  const std::string detail = error_text_[0] != '\0' ? error_text_.data() : curl_easy_strerror(code);
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return failure(Kind::bad_url, detail);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return failure(Kind::resolve, detail);
    case CURLE_COULDNT_CONNECT:
      if (!refused_address_.empty())
        return failure(Kind::refused, "not a public address: " + refused_address_);
      return failure(Kind::connect, detail);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS: return failure(Kind::tls, detail);
    case CURLE_OPERATION_TIMEDOUT: return failure(Kind::timeout, detail);
    default: return failure(Kind::closed, detail);
  }
}

Reply Transfer::result() {
  using Kind = Failure::Kind;
  if (thrown_) std::rethrow_exception(thrown_);
  switch (stop_) {
    case Stop::thrown:
    case Stop::refused:
      return std::unexpected(failure(Kind::refused, "not a public address: " + refused_address_));
    case Stop::too_large:
      return std::unexpected(failure(Kind::too_large, "the answer is larger than allowed"));
    case Stop::sink: return std::unexpected(failure(Kind::sink, "the receiver stopped the call"));
    case Stop::source: return std::unexpected(failure(Kind::source, "the body could not be read"));
    case Stop::cut: return std::move(response_);
    case Stop::none: break;
  }
  if (*ended_ == CURLE_ABORTED_BY_CALLBACK) return std::unexpected(failure(Kind::cancelled, "cancelled"));
  if (*ended_ != CURLE_OK) return std::unexpected(failure_of(*ended_));
  return std::move(response_);
}

}  // namespace fluxgate::net

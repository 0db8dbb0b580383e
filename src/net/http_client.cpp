#include "net/http_client.h"

#include "net/curl_multi.h"
#include "net/guard.h"
#include "net/transfer.h"
#include "net/url.h"

namespace fluxgate::net {
namespace {

using TimePoint = Transfer::TimePoint;

std::unexpected<Failure> give_up(Failure::Kind kind, Failure::Sent sent, std::string detail) {
  return std::unexpected(Failure{kind, sent, std::move(detail)});
}

bool has_name(const std::pair<std::string, std::string>& header, std::string_view name) {
  return std::ranges::equal(header.first, name, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

bool is_exempt(const Url& url, const std::vector<std::string>& exempt_origins) {
  const std::string origin = url.origin();
  return std::ranges::any_of(exempt_origins, [&](const auto& exempt) { return origin_of(exempt) == origin; });
}

// RFC 9110 §15.4, with the old habit that POST becomes GET on 301 and 302.
void follow(HttpRequest& request, int status, const Url& from, const Url& to) {
  const bool becomes_get = (status == 303 && request.method != "HEAD") ||
                           ((status == 301 || status == 302) && request.method == "POST");
  if (becomes_get) {
    request.method = "GET";
    request.body.clear();
    std::erase_if(request.headers, [](const auto& header) {
      return has_name(header, "content-type") || has_name(header, "content-length");
    });
  }
  std::erase_if(request.headers, [](const auto& header) { return has_name(header, "host"); });
  if (from.origin() != to.origin()) {
    std::erase_if(request.headers, [](const auto& header) {
      return has_name(header, "authorization") || has_name(header, "cookie") ||
             has_name(header, "proxy-authorization") || has_name(header, "x-api-key");
    });
  }
  request.url = to.text;
}

// The whole life of a call. Owns all it uses: the client may go first.
awaitable<Reply> perform(std::shared_ptr<CurlMulti> multi, ClientOptions client, HttpRequest request,
                         CallOptions options) {
  using Kind = Failure::Kind;
  auto sent = Failure::Sent::no;
  const auto addresses = client.allow_private_for_tests ? Addresses::any_for_tests : Addresses::public_only;
  const int redirects_max = options.exactly_once ? 0 : options.max_redirects;
  std::optional<TimePoint> deadline;
  if (options.timeout.count() > 0) deadline = std::chrono::steady_clock::now() + options.timeout;
  if (multi->inside()) co_await boost::asio::post(multi->context(), use_awaitable);

  auto url = parse_url(request.url);
  if (!url) co_return give_up(Kind::bad_url, sent, "not an http or https URL");
  for (int redirects = 0;; ++redirects) {
    const bool guarded = options.guarded && !is_exempt(*url, options.exempt_origins);
    if (guarded) {
      if (const auto allowed = check_fetch_url(url->text, {}, addresses); !allowed)
        co_return give_up(Kind::refused, sent,
                          fmt::format("{}: {}", url->origin(), allowed.error().message().en));
    }
    Transfer::Rules rules;
    rules.guarded = guarded;
    rules.any_address = client.allow_private_for_tests;
    rules.fetch_proxy = client.fetch_proxy;
    rules.follows_redirects = redirects_max > 0;
    Transfer transfer(multi, request, options, *url, std::move(rules));
    auto reply = co_await transfer.run(deadline);
    if (!reply) {
      if (sent == Failure::Sent::maybe) reply.error().sent = sent;
      co_return reply;
    }
    if (redirects_max == 0 || !Transfer::is_followed(*reply)) co_return reply;
    sent = Failure::Sent::maybe;
    if (redirects == redirects_max)
      co_return give_up(Kind::bad_url, sent, url->origin() + ": too many redirects");
    auto next = resolve_url(*url, reply->header("location"));
    if (!next)
      co_return give_up(Kind::bad_url, sent,
                        url->origin() + ": redirected to something that is no http or https URL");
    follow(request, reply->status, *url, *next);
    url = std::move(next);
  }
}

class CurlClient final : public HttpClient {
 public:
  CurlClient(boost::asio::io_context& context, ClientOptions options)
      : multi_(std::make_shared<CurlMulti>(context, options.max_connections)), options_(std::move(options)) {}
  ~CurlClient() override { multi_->shut_down(); }

  awaitable<Reply> call(HttpRequest request, CallOptions options) override {
    return perform(multi_, options_, std::move(request), std::move(options));
  }

 private:
  std::shared_ptr<CurlMulti> multi_;
  ClientOptions options_;
};

}  // namespace

std::string_view to_string(Failure::Kind kind) {
  using enum Failure::Kind;
  switch (kind) {
    case refused: return "refused";
    case resolve: return "resolve";
    case connect: return "connect";
    case tls: return "tls";
    case timeout: return "timeout";
    case closed: return "closed";
    case too_large: return "too_large";
    case bad_url: return "bad_url";
    case cancelled: return "cancelled";
    case sink: return "sink";
    case source: return "source";
  }
  return "closed";
}

std::unique_ptr<HttpClient> make_http_client(boost::asio::io_context& context, ClientOptions options) {
  return std::make_unique<CurlClient>(context, std::move(options));
}

}  // namespace fluxgate::net

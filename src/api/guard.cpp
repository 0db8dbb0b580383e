#include "api/support.h"

namespace fluxgate::api {
namespace {

using identity::Principal;
using identity::Role;

struct Origin {
  std::string_view scheme, authority;
};

// The head of an http(s) URL, cut as text: what a lenient parser would repair must not count as ours.
std::optional<Origin> origin_of(std::string_view url) {
  const auto colon = url.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view rest = url.substr(colon + 3);
  return Origin{url.substr(0, colon), rest.substr(0, rest.find_first_of("/?#"))};
}

// In lower case, without the port when it is the scheme's own.
std::string plain_authority(const Origin& origin) {
  const auto lower = [](std::string_view text) {
    std::string plain(text);
    for (char& c : plain)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return plain;
  };
  const std::string_view own_port = lower(origin.scheme) == "https" ? ":443" : ":80";
  std::string authority = lower(origin.authority);
  if (authority.ends_with(own_port)) authority.resize(authority.size() - own_port.size());
  return authority;
}

std::string authority_of(std::string_view url) {
  const auto origin = origin_of(url);
  return origin ? plain_authority(*origin) : std::string();
}

bool changes_something(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

// Behind a proxy that ends TLS our own scheme is not the browser's, so hosts are compared without it.
bool from_our_own_page(const http::Request& request, std::string_view public_authority) {
  std::string_view source = request.header("origin");
  if (source.empty()) source = request.header("referer");
  const auto origin = origin_of(source);
  if (!origin || origin->authority.empty()) return false;  // also "null": sandboxed frames, data: pages
  const std::string from = plain_authority(*origin);
  if (!public_authority.empty() && from == public_authority) return true;
  return from == plain_authority({origin->scheme, request.header("host")});
}

Error role_too_low(Role minimum) {
  return Error(Errc::forbidden, "role_too_low",
               minimum == Role::admin ? Text{"Only administrators may do this.", "仅管理员可执行此操作。"}
                                      : Text{"Your account is waiting for an administrator's approval.",
                                             "您的账号正在等待管理员审核。"});
}

}  // namespace

PresentedToken presented_token(const http::Request& request) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view header = request.header("authorization");
  const bool bearer = header.size() >= kScheme.size() &&
                      std::ranges::equal(header.substr(0, kScheme.size()), kScheme, [](char a, char b) {
                        return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
                      });
  if (bearer) {
    std::string_view token = header.substr(kScheme.size());
    while (token.starts_with(' ')) token.remove_prefix(1);
    while (token.ends_with(' ')) token.remove_suffix(1);
    return {std::string(token), false};
  }
  return {std::string(request.cookie(kSessionCookie)), true};
}

std::string own_origin(const http::Request& request, std::string_view public_url) {
  if (const auto origin = origin_of(public_url); origin && !origin->authority.empty())
    return fmt::format("{}://{}", origin->scheme, origin->authority);
  return fmt::format("{}://{}", request.over_tls() ? "https" : "http", request.header("host"));
}

Guard::Guard(identity::Identity& identity, std::string public_url)
    : identity_(&identity), public_authority_(authority_of(public_url)) {}

awaitable<Result<Principal>> Guard::operator()(http::Request& request, Role minimum) const {
  PresentedToken token = presented_token(request);
  const bool by_cookie = token.by_cookie;
  auto found = identity_->remembered(token.text, request.path());
  if (!found) {
    auto looked_up = co_await identity_->authenticate(std::move(token.text), std::string(request.path()));
    found = std::move(looked_up);
  }
  FLUX_CO_TRY(principal, std::move(*found));
  if (principal.role < minimum) co_return fail(role_too_low(minimum));
  principal.by_cookie = by_cookie;
  if (by_cookie && changes_something(request.method()) && !from_our_own_page(request, public_authority_))
    co_return fail(
        Errc::forbidden, "origin_mismatch",
        {"This request comes from a page of another site. Use a bearer token instead of the cookie.",
         "该请求来自其他网站的页面。请使用 Bearer 令牌代替 Cookie。"});
  co_return std::move(principal);
}

awaitable<std::optional<Principal>> Guard::recognise(http::Request& request) const {
  PresentedToken token = presented_token(request);
  if (token.text.empty()) co_return std::nullopt;
  auto found = co_await identity_->authenticate(std::move(token.text), std::string(request.path()));
  if (!found) co_return std::nullopt;
  co_return std::move(*found);
}

}  // namespace fluxgate::api

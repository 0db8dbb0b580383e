#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "api/support.h"

namespace fluxgate::api {
namespace {

using identity::Principal;
using identity::Role;

// "host:port" of an absolute URL, in lower case, the port only when it is not the scheme's own.
std::string authority_of(std::string_view url) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed || parsed->host().empty()) return {};
  std::string authority(parsed->encoded_host_address());
  if (parsed->host_type() == boost::urls::host_type::ipv6) authority = "[" + authority + "]";
  for (char& c : authority)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const std::string_view port = parsed->port();
  const bool own_port = (parsed->scheme() == "https" && port == "443") || (parsed->scheme() == "http" && port == "80");
  if (!port.empty() && !own_port) authority += fmt::format(":{}", port);
  return authority;
}

bool changes_something(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

// Behind a proxy that ends TLS our own scheme is not the browser's, so hosts are compared without it.
bool from_our_own_page(const http::Request& request, std::string_view public_authority) {
  std::string_view source = request.header("origin");
  if (source.empty()) source = request.header("referer");
  const std::string from = authority_of(source);
  if (from.empty()) return false;  // also "null": sandboxed frames, data: pages
  if (!public_authority.empty() && from == public_authority) return true;
  const std::string scheme(source.substr(0, source.find(':')));
  return from == authority_of(fmt::format("{}://{}/", scheme, request.header("host")));
}

Error role_too_low(Role minimum) {
  return Error(Errc::forbidden, "role_too_low",
               minimum == Role::admin
                   ? Text{"Only administrators may do this.", "仅管理员可执行此操作。"}
                   : Text{"Your account is waiting for an administrator's approval.", "您的账号正在等待管理员审核。"});
}

}  // namespace

PresentedToken presented_token(const http::Request& request) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view header = request.header("authorization");
  const bool bearer =
      header.size() >= kScheme.size() && std::ranges::equal(header.substr(0, kScheme.size()), kScheme, [](char a, char b) {
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
  const auto parsed = boost::urls::parse_uri(public_url);
  if (parsed && parsed->has_authority())
    return fmt::format("{}://{}", std::string_view(parsed->scheme()), std::string_view(parsed->encoded_authority()));
  return fmt::format("{}://{}", request.over_tls() ? "https" : "http", request.header("host"));
}

Guard::Guard(identity::Identity& identity, std::string public_url)
    : identity_(&identity), public_origin_(authority_of(public_url)) {}

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
  if (by_cookie && changes_something(request.method()) && !from_our_own_page(request, public_origin_))
    co_return fail(Errc::forbidden, "origin_mismatch",
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

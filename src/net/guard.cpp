#include "net/guard.h"

#include "net/address.h"
#include "net/url.h"

namespace fluxgate::net {
namespace {

// Long enough to recognise a URL by, short enough for a log and an answer; never inside a character.
std::string shortened(std::string_view text) {
  constexpr std::size_t kShown = 100;
  if (text.size() <= kShown) return std::string(text);
  std::size_t end = kShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

std::unexpected<Error> refuse(std::string_view url, std::string_view rule, Text message) {
  return fail(Error(Errc::invalid, "url_not_allowed", std::move(message))
                  .with("rule", boost::json::string(rule))
                  .with("received", boost::json::string(shortened(url))));
}

std::unexpected<Error> refuse(std::string_view url, UrlFault fault) {
  switch (fault) {
    case UrlFault::scheme:
      return refuse(url, "url_scheme",
                    {"Only http and https links can be fetched.", "只能获取 http 或 https 链接。"});
    case UrlFault::host:
      return refuse(
          url, "url_host",
          {"The link's host is not a plain ASCII name (write other names in punycode, xn--…) or address.",
           "链接的主机名不是纯 ASCII 域名（其他域名请用 xn-- 开头的 punycode 形式）或地址。"});
    case UrlFault::port:
      return refuse(
          url, "url_port",
          {"The link's port is not a number from 1 to 65535.", "链接的端口不是 1 到 65535 的数字。"});
    case UrlFault::syntax: break;
  }
  return refuse(url, "url_syntax",
                {"This is not a valid http or https link.", "这不是有效的 http 或 https 链接。"});
}

bool is_web_port(std::uint16_t port) { return port == 80 || port == 443 || port == 8080 || port == 8443; }

// In the one spelling that all resolvers read alike.
bool is_odd_literal(const Url& url) { return url.host_kind == Url::Host::name && ends_in_number(url.host); }

}  // namespace

Result<void> check_fetch_url(std::string_view text, const std::vector<std::string>& exempt_origins,
                             Addresses addresses) {
  const auto url = parse_url(text);
  if (!url) return refuse(text, url.error());
  if (url->has_userinfo)
    return refuse(text, "url_userinfo",
                  {"A link must not carry a user name or password.", "链接中不能包含用户名或密码。"});
  const std::string origin = url->origin();
  for (const auto& exempt : exempt_origins)
    if (origin_of(exempt) == origin) return {};

  if (is_odd_literal(*url))
    return refuse(text, "url_address",
                  {"An address in a link must be written as four decimal numbers.",
                   "链接中的地址必须写成四个十进制数字。"});
  if (addresses == Addresses::any_for_tests) return {};
  if (url->host_kind != Url::Host::name && !is_public_address(url->host))
    return refuse(text, "url_address",
                  {"The link points to an address that is not on the public internet.",
                   "链接指向的地址不在公共互联网上。"});
  if (!is_web_port(url->port))
    return refuse(
        text, "url_port",
        {"Links may use the ports 80, 443, 8080 and 8443.", "链接只能使用 80、443、8080 和 8443 端口。"});
  return {};
}

std::string origin_of(std::string_view text) {
  const auto url = parse_url(text);
  return url ? url->origin() : std::string();
}

}  // namespace fluxgate::net

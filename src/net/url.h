// The one URL parser for checking and fetching: what the guard has judged is, byte for byte, what curl
// is given. Two parsers that read one text differently are how SSRF guards are walked around.
//
// Grammar: RFC 3986, path and query by Boost.URL. Characters that people paste and browsers encode
// (non-ASCII letters, | " < > { } ^ ` and brackets behind the host) are percent-encoded first; spaces,
// backslashes and control characters are refused. Only http and https, only with a host.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace fluxgate::net {

inline constexpr std::size_t kUrlLengthMax = 8192;

struct Url {
  enum class Host { name, ipv4, ipv6 };

  std::string text;      // re-serialised, without fragment: for curl
  std::string scheme;    // "http" or "https"
  std::string host;      // decoded, lower case, without brackets
  Host host_kind = Host::name;
  std::uint16_t port = 0;    // explicit or the scheme's
  bool has_userinfo = false;
  std::string userinfo;      // percent-encoded as it came
  std::size_t path_at = 0;   // where the path begins in `text`

  std::string origin() const;  // "https://host:port"
};

// Why a text is no URL of ours.
enum class UrlFault { syntax, scheme, host, port };

std::expected<Url, UrlFault> parse_url(std::string_view text);

// What a Location header means on a page at `base` (RFC 9110 §10.2.2).
std::expected<Url, UrlFault> resolve_url(const Url& base, std::string_view reference);

}  // namespace fluxgate::net

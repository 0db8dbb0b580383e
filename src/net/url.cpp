#include "net/url.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include <boost/url/parse.hpp>
#include <boost/url/pct_string_view.hpp>
#include <boost/url/url.hpp>

namespace fluxgate::net {
namespace {

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// Letters, digits, "-", "_" in labels between dots; one dot may end the name (RFC 1034 §3.1). Everything
// else, above all non-ASCII dots and digits that a resolver's IDN mapping folds into ASCII, is refused:
// such names have to be given in their punycode form.
bool is_host_name(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty() || host.size() > 253) return false;
  std::size_t label = 0;
  for (const char c : host) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    if (!is_letter_or_digit(c) && c != '-' && c != '_') return false;
    if (++label > 63) return false;
  }
  return label != 0;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

// The scheme that `text` begins with, in lower case; "" when it begins with none (RFC 3986 §3.1).
std::string scheme_of(std::string_view text) {
  const std::size_t colon = text.find_first_of(":/?#");
  if (colon == std::string_view::npos || colon == 0 || text[colon] != ':') return "";
  std::string scheme = lower(text.substr(0, colon));
  const bool valid = scheme[0] >= 'a' && scheme[0] <= 'z' && std::ranges::all_of(scheme, [](char c) {
                       return is_letter_or_digit(c) || c == '+' || c == '-' || c == '.';
                     });
  return valid ? scheme : "";
}

// Percent-encodes what is harmless but outside the grammar. Brackets mean something in the host, so
// they are only encoded behind it.
std::string encode_loose_characters(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  const std::string scheme = scheme_of(text);
  const std::size_t path = scheme.empty() ? 0 : text.find_first_of("/?#", scheme.size() + std::strlen("://"));
  std::string encoded;
  encoded.reserve(text.size() + 16);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool behind_host = i >= path;
    const bool loose = byte >= 0x80 || (behind_host && std::string_view("|\"<>{}^`[]").contains(text[i]));
    if (!loose) {
      encoded += text[i];
      continue;
    }
    encoded += '%';
    encoded += kHex[byte >> 4];
    encoded += kHex[byte & 15];
  }
  return encoded;
}

// What stands between "//" and the path. Split here and not by Boost 1.81, whose parser is content with a
// beginning: it reads "1.2.3.4.example.com" as the address 1.2.3.4 and the path ".example.com", and wraps
// ports above 65535 around.
struct Authority {
  std::string userinfo;
  bool has_userinfo = false;
  std::string host;
  Url::Host host_kind = Url::Host::name;
  std::uint16_t port = 0;  // 0 = not given
};

bool is_userinfo(std::string_view text) {
  if (!boost::urls::make_pct_string_view(text)) return false;
  return std::ranges::all_of(text, [](char c) {
    const char l = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return is_letter_or_digit(l) || std::string_view("-._~%!$&'()*+,;=:").contains(c);
  });
}

std::expected<std::uint16_t, UrlFault> parse_port(std::string_view digits) {
  if (digits.empty()) return 0;  // "host:" is valid and means the default (RFC 3986 §3.2.3)
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0)
    return std::unexpected(UrlFault::port);
  return port;
}

// The host decoded, in lower case, and what it is. `text` has its brackets still.
bool take_host(Authority& authority, std::string_view text) {
  if (text.starts_with('[')) {
    authority.host = lower(text.substr(1, text.size() - 2));
    authority.host_kind = Url::Host::ipv6;
    in6_addr ignored{};
    return inet_pton(AF_INET6, authority.host.c_str(), &ignored) == 1;
  }
  const auto decoded = boost::urls::make_pct_string_view(text);
  if (!decoded) return false;
  authority.host = lower(decoded->decode());
  in_addr ignored{};
  if (inet_pton(AF_INET, authority.host.c_str(), &ignored) == 1) authority.host_kind = Url::Host::ipv4;
  return is_host_name(authority.host);
}

std::expected<Authority, UrlFault> parse_authority(std::string_view text) {
  Authority authority;
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    authority.has_userinfo = true;
    authority.userinfo = text.substr(0, at);
    if (!is_userinfo(authority.userinfo)) return std::unexpected(UrlFault::syntax);
    text.remove_prefix(at + 1);
  }
  std::size_t host_end = text.find(':');
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return std::unexpected(UrlFault::host);
    host_end = bracket + 1 < text.size() ? bracket + 1 : std::string_view::npos;
    if (host_end != std::string_view::npos && text[host_end] != ':') return std::unexpected(UrlFault::host);
  }
  if (!take_host(authority, text.substr(0, host_end))) return std::unexpected(UrlFault::host);
  if (host_end == std::string_view::npos) return authority;
  const auto port = parse_port(text.substr(host_end + 1));
  if (!port) return std::unexpected(port.error());
  authority.port = *port;
  return authority;
}

// Scheme, authority and what follows written back in one spelling: lower case, host decoded (so that
// "%31%32%37.0.0.1" is judged as the address it means), no default port, a path, no fragment.
std::expected<Url, UrlFault> compose(std::string_view scheme, const Authority& authority,
                                     std::string_view rest) {
  const std::string stand_in = fmt::format("http://h{}", rest);
  const auto parsed = boost::urls::parse_uri(stand_in);
  if (!parsed) return std::unexpected(UrlFault::syntax);
  const std::string_view path(parsed->encoded_path().data(), parsed->encoded_path().size());
  const std::string_view query(parsed->encoded_query().data(), parsed->encoded_query().size());
  if (!path.empty() && !path.starts_with('/')) return std::unexpected(UrlFault::syntax);

  const std::uint16_t default_port = scheme == "https" ? 443 : 80;
  Url url;
  url.scheme = scheme;
  url.host = authority.host;
  url.host_kind = authority.host_kind;
  url.userinfo = authority.userinfo;
  url.has_userinfo = authority.has_userinfo;
  url.port = authority.port != 0 ? authority.port : default_port;
  const bool bracket = url.host_kind == Url::Host::ipv6;
  url.text = fmt::format("{}://{}{}{}{}{}", scheme, url.userinfo, url.userinfo.empty() ? "" : "@",
                         bracket ? "[" : "", url.host, bracket ? "]" : "");
  if (url.port != default_port) url.text += fmt::format(":{}", url.port);
  url.path_at = url.text.size();
  url.text += path.empty() ? "/" : path;
  if (parsed->has_query()) url.text.append("?").append(query);
  if (url.text.size() > kUrlLengthMax) return std::unexpected(UrlFault::syntax);
  return url;
}

}  // namespace

std::string Url::origin() const {
  const bool bracket = host_kind == Host::ipv6;
  return fmt::format("{}://{}{}{}:{}", scheme, bracket ? "[" : "", host, bracket ? "]" : "", port);
}

std::expected<Url, UrlFault> parse_url(std::string_view text) {
  if (text.size() > kUrlLengthMax) return std::unexpected(UrlFault::syntax);
  const std::string scheme = scheme_of(text);
  if (scheme.empty()) return std::unexpected(UrlFault::syntax);
  if (scheme != "http" && scheme != "https") return std::unexpected(UrlFault::scheme);
  const std::string encoded = encode_loose_characters(text);
  std::string_view rest = std::string_view(encoded).substr(scheme.size() + 1);
  if (!rest.starts_with("//")) return std::unexpected(UrlFault::syntax);
  rest.remove_prefix(2);
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  const auto authority = parse_authority(rest.substr(0, end));
  if (!authority) return std::unexpected(authority.error());
  return compose(scheme, *authority, rest.substr(end));
}

std::expected<Url, UrlFault> resolve_url(const Url& base, std::string_view reference) {
  if (!scheme_of(reference).empty()) return parse_url(reference);
  if (reference.starts_with("//")) return parse_url(fmt::format("{}:{}", base.scheme, reference));
  if (reference.size() > kUrlLengthMax) return std::unexpected(UrlFault::syntax);
  // Only path and query change. The authority keeps out of Boost's hands (see Authority).
  const std::string encoded = encode_loose_characters(reference);
  const auto parsed = boost::urls::parse_uri_reference(encoded);
  const std::string stand_in = fmt::format("http://h{}", std::string_view(base.text).substr(base.path_at));
  const auto parsed_base = boost::urls::parse_uri(stand_in);
  boost::urls::url target;
  if (!parsed || !parsed_base || !boost::urls::resolve(*parsed_base, *parsed, target))
    return std::unexpected(UrlFault::syntax);
  const std::string_view rest =
      std::string_view(target.buffer().data(), target.buffer().size()).substr(std::strlen("http://h"));
  return compose(base.scheme, {base.userinfo, base.has_userinfo, base.host, base.host_kind, base.port}, rest);
}

}  // namespace fluxgate::net

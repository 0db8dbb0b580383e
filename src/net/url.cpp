#include "net/url.h"

#include <charconv>

#include <boost/url/parse.hpp>
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

// Percent-encodes what is harmless but outside the grammar. Brackets mean something in the host, so
// they are only encoded behind it.
std::string encode_loose_characters(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  const std::size_t scheme_end = text.find("://");
  const std::size_t authority = scheme_end == std::string_view::npos ? 0 : scheme_end + 3;
  const std::size_t path = text.find_first_of("/?#", authority);
  std::string encoded;
  encoded.reserve(text.size() + 16);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool behind_host = path != std::string_view::npos && i >= path;
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

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

// Boost 1.81's port_number() wraps around above 65535, so the digits are read here.
std::expected<std::uint16_t, UrlFault> port_of(const boost::urls::url& url, std::uint16_t fallback) {
  const std::string_view digits(url.port().data(), url.port().size());
  if (digits.empty()) return fallback;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0)
    return std::unexpected(UrlFault::port);
  return port;
}

std::expected<Url, UrlFault> from_parsed(boost::urls::url url) {
  Url result;
  result.scheme = lower({url.scheme().data(), url.scheme().size()});
  if (result.scheme != "http" && result.scheme != "https") return std::unexpected(UrlFault::scheme);
  if (!url.has_authority()) return std::unexpected(UrlFault::syntax);

  switch (url.host_type()) {
    case boost::urls::host_type::ipv4: result.host_kind = Url::Host::ipv4; break;
    case boost::urls::host_type::ipv6: result.host_kind = Url::Host::ipv6; break;
    case boost::urls::host_type::name: result.host_kind = Url::Host::name; break;
    default: return std::unexpected(UrlFault::host);
  }
  result.host = lower(url.host_address());
  if (result.host_kind == Url::Host::name && !is_host_name(result.host)) return std::unexpected(UrlFault::host);

  auto port = port_of(url, result.scheme == "https" ? 443 : 80);
  if (!port) return std::unexpected(port.error());
  result.port = *port;
  result.has_userinfo = url.has_userinfo();

  // Written back in one spelling: decoded host, lower-case scheme, a path, no fragment. A host such as
  // "%31%32%37.0.0.1" turns into the address it means and is judged as that.
  url.set_scheme(result.scheme);
  if (result.host_kind == Url::Host::name) {
    url.set_host(result.host);
    if (url.host_type() == boost::urls::host_type::ipv4) result.host_kind = Url::Host::ipv4;
  }
  if (result.port == (result.scheme == "https" ? 443 : 80)) url.remove_port();
  else url.set_port_number(result.port);
  if (url.encoded_path().empty()) url.set_encoded_path("/");
  url.remove_fragment();
  result.text.assign(url.buffer().data(), url.buffer().size());
  if (result.text.size() > kUrlLengthMax) return std::unexpected(UrlFault::syntax);
  return result;
}

}  // namespace

std::string Url::origin() const {
  const bool bracket = host_kind == Host::ipv6;
  return fmt::format("{}://{}{}{}:{}", scheme, bracket ? "[" : "", host, bracket ? "]" : "", port);
}

std::expected<Url, UrlFault> parse_url(std::string_view text) {
  if (text.size() > kUrlLengthMax) return std::unexpected(UrlFault::syntax);
  const std::string encoded = encode_loose_characters(text);
  const auto parsed = boost::urls::parse_uri(encoded);
  if (!parsed) return std::unexpected(UrlFault::syntax);
  return from_parsed(boost::urls::url(*parsed));
}

std::expected<Url, UrlFault> resolve_url(const Url& base, std::string_view reference) {
  if (reference.size() > kUrlLengthMax) return std::unexpected(UrlFault::syntax);
  const std::string encoded = encode_loose_characters(reference);
  const auto parsed_base = boost::urls::parse_uri(base.text);
  const auto parsed = boost::urls::parse_uri_reference(encoded);
  if (!parsed_base || !parsed) return std::unexpected(UrlFault::syntax);
  boost::urls::url target;
  if (!boost::urls::resolve(*parsed_base, *parsed, target)) return std::unexpected(UrlFault::syntax);
  return from_parsed(std::move(target));
}

}  // namespace fluxgate::net

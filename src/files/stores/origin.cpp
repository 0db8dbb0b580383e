#include "files/stores/origin.h"

#include "net/url.h"

namespace fluxgate::files {

std::optional<Origin> parse_origin(std::string_view text) {
  const auto url = net::parse_url(text);
  if (!url || url->has_userinfo) return std::nullopt;
  const std::string_view rest = std::string_view(url->text).substr(url->path_at);
  if (!rest.empty() && rest != "/") return std::nullopt;
  Origin origin;
  origin.scheme = url->scheme;
  origin.is_address = url->host_kind != net::Url::Host::name || url->host == "localhost";
  origin.has_port = url->port != (url->scheme == "https" ? 443 : 80);
  origin.authority = url->host_kind == net::Url::Host::ipv6 ? "[" + url->host + "]" : url->host;
  if (origin.has_port) origin.authority += ":" + std::to_string(url->port);
  return origin;
}

}  // namespace fluxgate::files

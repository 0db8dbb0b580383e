// "https://host:port" taken apart, as signatures want it.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace fluxgate::files {

struct Origin {
  std::string scheme;       // "https"
  std::string authority;    // host, with its port unless it is the scheme's own
  bool is_address = false;  // an IP address or localhost
  bool has_port = false;

  std::string text() const { return scheme + "://" + authority; }
};

// nullopt for what is no origin: a path other than "/", a query, user-info, another scheme.
std::optional<Origin> parse_origin(std::string_view text);

}  // namespace fluxgate::files

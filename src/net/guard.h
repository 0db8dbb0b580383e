// The SSRF guard: which URLs given by users may be fetched at all (DESIGN §8).
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"

namespace fluxgate::net {

// Checks scheme (http, https), port (default ones, 80, 443, 8080, 8443), user-info and literal
// addresses in every spelling (decimal, octal, hex, short IPv4; IPv4-mapped and -compatible IPv6).
// Names are not resolved here: the client checks the address it connects to.
// `exempt_origins` are "https://host:port" an admin configured; exact matches pass.
Result<void> check_fetch_url(std::string_view url, const std::vector<std::string>& exempt_origins = {});

// True for addresses of the public internet (textual IPv4 or IPv6 as from getnameinfo).
bool is_public_address(std::string_view address);

// "https://host:port" of a URL, port made explicit, lower case; "" when it has none.
std::string origin_of(std::string_view url);

}  // namespace fluxgate::net

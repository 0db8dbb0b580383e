// The SSRF guard: which URLs given by users may be fetched at all (DESIGN §8).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fluxgate::net {

// `any_for_tests` lets loopback servers on free ports stand for the internet; scheme, user-info and
// syntax are judged as ever.
enum class Addresses { public_only, any_for_tests };

// Checks scheme (http, https), port (default ones, 80, 443, 8080, 8443), user-info and literal
// addresses: IPv4 is taken as four plain decimal numbers only (octal, hex, short and decimal forms are
// refused whatever they mean), IPv6 in brackets; both must be public. Names are not resolved here: the
// client checks the address it connects to.
// `exempt_origins` are "https://host:port" an admin configured; exact matches of scheme, host and port
// pass, unless they carry user-info.
// Errors: Errc::invalid, code "url_not_allowed", context `rule` (url_syntax, url_scheme, url_host,
// url_userinfo, url_port, url_address) and `received`.
Result<void> check_fetch_url(std::string_view url, const std::vector<std::string>& exempt_origins = {},
                             Addresses addresses = Addresses::public_only);

// True for unicast addresses of the public internet (textual IPv4 or IPv6 as from getnameinfo).
bool is_public_address(std::string_view address);

// "https://host:port" of a URL, port made explicit, lower case; "" when it has none.
std::string origin_of(std::string_view url);

}  // namespace fluxgate::net

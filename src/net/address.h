// Internet addresses as the guard sees them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace fluxgate::net {

// What inet_aton, and with it every resolver, takes for an IPv4 address: one to four parts, each
// decimal, octal ("0177") or hexadecimal ("0x7f"), the last one filling the bytes that are left; a
// trailing dot is allowed. nullopt when `host` is none.
std::optional<std::uint32_t> parse_loose_ipv4(std::string_view host);

// True when the last label is a number in any of those spellings: no registered name ends so, and the
// WHATWG URL standard (§3.5, "ends in a number") takes all such hosts for addresses.
bool ends_in_number(std::string_view host);

// Unicast addresses that anyone on the internet could have been given (IANA special-purpose registries,
// RFC 6890 and its updates). `ipv4` is in host byte order.
bool is_public_ipv4(std::uint32_t ipv4);
bool is_public_ipv6(const std::array<unsigned char, 16>& ipv6);

}  // namespace fluxgate::net

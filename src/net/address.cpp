#include "net/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include "net/guard.h"

namespace fluxgate::net {
namespace {

struct Ipv4Block {
  std::uint32_t first;
  int bits;
};

constexpr std::uint32_t ipv4(unsigned a, unsigned b, unsigned c, unsigned d) {
  return a << 24 | b << 16 | c << 8 | d;
}

constexpr Ipv4Block kSpecialIpv4[] = {
    {ipv4(0, 0, 0, 0), 8},         // "this network"
    {ipv4(10, 0, 0, 0), 8},        // private
    {ipv4(100, 64, 0, 0), 10},     // carrier-grade NAT; Alibaba Cloud's metadata lives here
    {ipv4(127, 0, 0, 0), 8},       // loopback
    {ipv4(168, 63, 129, 16), 32},  // Azure's host service, in public space by accident of history
    {ipv4(169, 254, 0, 0), 16},    // link-local; the clouds' metadata
    {ipv4(172, 16, 0, 0), 12},     // private
    {ipv4(192, 0, 0, 0), 24},      // protocol assignments
    {ipv4(192, 0, 2, 0), 24},      // documentation
    {ipv4(192, 88, 99, 0), 24},    // 6to4 relays, withdrawn
    {ipv4(192, 168, 0, 0), 16},    // private
    {ipv4(198, 18, 0, 0), 15},     // benchmarks
    {ipv4(198, 51, 100, 0), 24},   // documentation
    {ipv4(203, 0, 113, 0), 24},    // documentation
    {ipv4(224, 0, 0, 0), 4},       // multicast
    {ipv4(240, 0, 0, 0), 4},       // reserved, broadcast
};

struct Ipv6Block {
  std::array<unsigned char, 16> first;
  int bits;
};

// Inside 2000::/3, the only block handed out for global unicast.
constexpr Ipv6Block kSpecialIpv6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23},  // protocol assignments, Teredo among them
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation
    {{0x20, 0x02}, 16},              // 6to4: carries any IPv4 address
    {{0x3f, 0xff}, 20},              // documentation
};

bool has_prefix(const std::array<unsigned char, 16>& address, const std::array<unsigned char, 16>& prefix,
                int bits) {
  const auto bytes = static_cast<std::size_t>(bits / 8);
  if (std::memcmp(address.data(), prefix.data(), bytes) != 0) return false;
  const int rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<unsigned char>(0xFF << (8 - rest));
  return (address[bytes] & mask) == (prefix[bytes] & mask);
}

std::uint32_t embedded_ipv4(const std::array<unsigned char, 16>& address) {
  return ipv4(address[12], address[13], address[14], address[15]);
}

// One part of a loose IPv4 address. "0x" alone is zero, as inet_aton reads it.
std::optional<std::uint64_t> parse_part(std::string_view part) {
  if (part.empty() || part.size() > 16) return std::nullopt;
  int base = 10;
  if (part.starts_with("0x") || part.starts_with("0X")) {
    base = 16;
    part.remove_prefix(2);
    if (part.empty()) return 0;
  } else if (part.size() > 1 && part.starts_with('0')) {
    base = 8;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value, base);
  if (error != std::errc() || end != part.data() + part.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::uint32_t> parse_loose_ipv4(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  std::array<std::uint64_t, 4> parts{};
  std::size_t count = 0;
  while (true) {
    if (count == parts.size()) return std::nullopt;
    const std::size_t dot = host.find('.');
    const auto part = parse_part(host.substr(0, dot));
    if (!part) return std::nullopt;
    parts[count++] = *part;
    if (dot == std::string_view::npos) break;
    host.remove_prefix(dot + 1);
  }
  std::uint64_t address = 0;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    if (parts[i] > 255) return std::nullopt;
    address |= parts[i] << (24 - 8 * i);
  }
  const std::uint64_t last_limit = std::uint64_t{1} << (8 * (5 - count));
  if (parts[count - 1] >= last_limit) return std::nullopt;
  return static_cast<std::uint32_t>(address | parts[count - 1]);
}

bool ends_in_number(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::size_t dot = host.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  if (last.empty()) return false;
  if (last.find_first_not_of("0123456789") == std::string_view::npos) return true;
  return parse_part(last).has_value();
}

bool is_public_ipv4(std::uint32_t address) {
  for (const auto& [first, bits] : kSpecialIpv4)
    if ((address ^ first) >> (32 - bits) == 0) return false;
  return true;
}

bool is_public_ipv6(const std::array<unsigned char, 16>& address) {
  // An IPv4 address in another coat reaches what the IPv4 address reaches.
  if (has_prefix(address, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 96))
    return is_public_ipv4(embedded_ipv4(address));
  // NAT64 (RFC 6052): on networks with IPv6 only, every IPv4 host is seen under this prefix.
  if (has_prefix(address, {0x00, 0x64, 0xFF, 0x9B}, 96)) return is_public_ipv4(embedded_ipv4(address));
  if ((address[0] & 0xE0) != 0x20) return false;
  for (const auto& [first, bits] : kSpecialIpv6)
    if (has_prefix(address, first, bits)) return false;
  return true;
}

bool is_public_address(std::string_view address) {
  // getnameinfo appends the interface to link-local addresses; a scoped address is never public.
  if (address.contains('%')) return false;
  const std::string text(address);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return is_public_ipv4(ntohl(v4.s_addr));
  std::array<unsigned char, 16> v6{};
  if (inet_pton(AF_INET6, text.c_str(), v6.data()) == 1) return is_public_ipv6(v6);
  return false;
}

}  // namespace fluxgate::net

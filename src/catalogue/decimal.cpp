#include "catalogue/decimal.h"

#include <charconv>
#include <numeric>

#include <fmt/format.h>

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr int kScaleMax = 18;
constexpr std::int64_t kPowers[] = {1,
                                    10,
                                    100,
                                    1'000,
                                    10'000,
                                    100'000,
                                    1'000'000,
                                    10'000'000,
                                    100'000'000,
                                    1'000'000'000,
                                    10'000'000'000,
                                    100'000'000'000,
                                    1'000'000'000'000,
                                    10'000'000'000'000,
                                    100'000'000'000'000,
                                    1'000'000'000'000'000,
                                    10'000'000'000'000'000,
                                    100'000'000'000'000'000,
                                    1'000'000'000'000'000'000};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Both at the larger scale: 2^63 × 10^18 fits 128 bits.
struct Aligned {
  __int128 a, b;
};
Aligned align(Decimal a, Decimal b) {
  const int scale = std::max(a.scale, b.scale);
  return {static_cast<__int128>(a.digits) * kPowers[scale - a.scale],
          static_cast<__int128>(b.digits) * kPowers[scale - b.scale]};
}

unsigned __int128 common_divisor(unsigned __int128 a, unsigned __int128 b) {
  while (b != 0) {
    const unsigned __int128 rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

std::optional<Decimal> scaled(std::int64_t digits, int scale) {
  while (scale > kScaleMax && digits % 10 == 0 && digits != 0) digits /= 10, --scale;
  if (digits == 0) return Decimal{};
  if (scale > kScaleMax) return std::nullopt;
  while (scale < 0) {
    if (__builtin_mul_overflow(digits, std::int64_t{10}, &digits)) return std::nullopt;
    ++scale;
  }
  return Decimal{digits, scale};
}

}  // namespace

std::optional<Decimal> decimal_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty() || !is_digit(text.front())) return std::nullopt;
  std::int64_t digits = 0;
  int scale = 0;
  bool fraction = false;
  std::size_t at = 0;
  for (; at < text.size() && (is_digit(text[at]) || (text[at] == '.' && !fraction)); ++at) {
    if (text[at] == '.') {
      fraction = true;
      continue;
    }
    if (__builtin_mul_overflow(digits, std::int64_t{10}, &digits)) return std::nullopt;
    if (__builtin_add_overflow(digits, std::int64_t{text[at] - '0'}, &digits)) return std::nullopt;
    if (fraction) ++scale;
  }
  if (text[at - 1] == '.') return std::nullopt;
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return std::nullopt;
    std::string_view power = text.substr(at + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    int exponent = 0;
    const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (error != std::errc{} || end != power.data() + power.size() || exponent > 400 || exponent < -400)
      return std::nullopt;
    scale -= exponent;
  }
  return scaled(negative ? -digits : digits, scale);
}

std::optional<Decimal> decimal_of(const json::value& number) {
  if (number.is_int64()) return Decimal{number.get_int64(), 0};
  if (!number.is_double()) return std::nullopt;  // a uint64 is one only above 2^63
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number.get_double());
  if (error != std::errc{}) return std::nullopt;
  return decimal_of(std::string_view(text, static_cast<std::size_t>(end - text)));
}

bool is_multiple(Decimal value, Decimal step) {
  const Aligned aligned = align(value, step);
  return aligned.b != 0 && aligned.a % aligned.b == 0;
}

bool equal(Decimal a, Decimal b) {
  const Aligned aligned = align(a, b);
  return aligned.a == aligned.b;
}

void Product::times(std::uint64_t over, std::uint64_t under) {
  too_large_ |= __builtin_mul_overflow(over_, static_cast<unsigned __int128>(over), &over_);
  too_large_ |= __builtin_mul_overflow(under_, static_cast<unsigned __int128>(under), &under_);
  if (too_large_) return;
  const unsigned __int128 common = common_divisor(over_, under_);
  over_ /= common;
  under_ /= common;
}

void Product::times(Decimal factor) {
  times(factor.digits > 0 ? static_cast<std::uint64_t>(factor.digits) : 0,
        static_cast<std::uint64_t>(kPowers[factor.scale]));
}

std::int64_t Product::rounded_up() const {
  constexpr unsigned __int128 kMost = INT64_MAX;
  if (too_large_) return INT64_MAX;
  const unsigned __int128 amount = over_ / under_ + (over_ % under_ != 0 ? 1 : 0);
  return static_cast<std::int64_t>(std::min(amount, kMost));
}

std::string fraction_text(std::uint64_t over, std::uint64_t under) {
  const std::uint64_t common = std::gcd(over, under);
  over /= common;
  under /= common;
  constexpr std::uint64_t kMillion = 1'000'000;
  if (kMillion % under != 0) return fmt::format("{}/{}", over, under);
  std::string text = fmt::format("{:06}", over % under * (kMillion / under));
  while (!text.empty() && text.back() == '0') text.pop_back();
  return text.empty() ? std::to_string(over / under) : fmt::format("{}.{}", over / under, text);
}

}  // namespace fluxgate::catalogue

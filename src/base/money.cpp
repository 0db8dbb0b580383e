#include "base/money.h"

#include <charconv>

namespace fluxgate {

std::optional<Credits> Credits::parse(std::string_view text) {
  bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  auto point = text.find('.');
  std::string_view whole = text.substr(0, point);
  std::string_view decimals = point == std::string_view::npos ? "" : text.substr(point + 1);
  while (!decimals.empty() && decimals.back() == '0') decimals.remove_suffix(1);
  if (decimals.size() > 3 || (whole.empty() && decimals.empty())) return std::nullopt;
  if (whole.size() > 15) return std::nullopt;  // 10^15 credits and more do not fit

  std::string digits(whole);
  digits += decimals;
  digits.append(3 - decimals.size(), '0');
  std::int64_t n = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (error != std::errc{} || end != digits.data() + digits.size() || n < 0) return std::nullopt;
  if (digits.front() == '-') return std::nullopt;
  return Credits(negative ? -n : n);
}

std::string Credits::to_string() const {
  std::uint64_t n = n_ < 0 ? 0 - static_cast<std::uint64_t>(n_) : static_cast<std::uint64_t>(n_);
  std::string text = (n_ < 0 ? "-" : "") + std::to_string(n / 1000);
  if (n % 1000 != 0) {
    std::string decimals = std::to_string(1000 + n % 1000).substr(1);
    while (decimals.back() == '0') decimals.pop_back();
    text += "." + decimals;
  }
  return text;
}

}  // namespace fluxgate

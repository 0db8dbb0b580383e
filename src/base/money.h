// An amount of credits, exact: a 64-bit count of thousandths. Never a floating point number.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fluxgate {

class Credits {
 public:
  constexpr Credits() = default;
  static constexpr Credits thousandths(std::int64_t n) { return Credits(n); }
  static constexpr Credits whole(std::int64_t n) { return Credits(n * 1000); }
  // "12", "-0.5", "0.125"; nullopt when it is no decimal number, has more than three decimals
  // that matter, or does not fit.
  static std::optional<Credits> parse(std::string_view text);

  constexpr std::int64_t in_thousandths() const { return n_; }
  // For JSON members that the original typed as float; exact up to 2^53 thousandths.
  constexpr double as_number() const { return static_cast<double>(n_) / 1000.0; }
  std::string to_string() const;  // shortest decimal: "12", "0.125"

  constexpr Credits operator+(Credits o) const { return Credits(n_ + o.n_); }
  constexpr Credits operator-(Credits o) const { return Credits(n_ - o.n_); }
  constexpr Credits operator-() const { return Credits(-n_); }
  constexpr Credits operator*(std::int64_t k) const { return Credits(n_ * k); }
  constexpr Credits& operator+=(Credits o) { n_ += o.n_; return *this; }
  constexpr Credits& operator-=(Credits o) { n_ -= o.n_; return *this; }
  constexpr auto operator<=>(const Credits&) const = default;

 private:
  explicit constexpr Credits(std::int64_t n) : n_(n) {}
  std::int64_t n_ = 0;
};

}  // namespace fluxgate

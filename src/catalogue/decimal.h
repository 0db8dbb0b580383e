// Exact decimals and products of them, for `multipleOf` and for prices. A JSON number is taken at its
// shortest text, so that 0.15 is a multiple of 0.05 here as it is for the studio, which reads String(number)
// and computes with BigInt (spec/studio.md §3). No floating point anywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace fluxgate::catalogue {

// digits / 10^scale, 0 ≤ scale ≤ 18.
struct Decimal {
  std::int64_t digits = 0;
  int scale = 0;
};

// "12", "-0.5", "1.25e-3", written as JSON writes numbers; nullopt for anything else and for what does not
// fit.
std::optional<Decimal> decimal_of(std::string_view text);
std::optional<Decimal> decimal_of(const boost::json::value& number);

bool is_multiple(Decimal value, Decimal step);  // step ≠ 0
bool equal(Decimal a, Decimal b);

// A running product of non-negative fractions in 128 bits. What does not fit stays at the largest amount,
// which nobody can pay.
class Product {
 public:
  explicit Product(std::int64_t start) : over_(start > 0 ? static_cast<unsigned __int128>(start) : 0) {}
  void times(std::uint64_t over, std::uint64_t under);  // under ≠ 0
  void times(Decimal factor);                           // negative counts as 0
  std::int64_t rounded_up() const;

 private:
  unsigned __int128 over_;
  unsigned __int128 under_ = 1;
  bool too_large_ = false;
};

// "0.25", "28"; a fraction that no decimal of six digits equals as "5/7".
std::string fraction_text(std::uint64_t over, std::uint64_t under);

}  // namespace fluxgate::catalogue

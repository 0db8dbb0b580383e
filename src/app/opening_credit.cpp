#include "app/opening_credit.h"

#include <cmath>

#include <boost/json.hpp>

#include "identity/settings.h"

namespace fluxgate::app {
namespace {

std::optional<Credits> amount_of(const boost::json::value& value) {
  constexpr double kMost = 1e9;
  if (value.is_string()) {
    const auto parsed = Credits::parse(value.as_string());
    return parsed ? std::optional(*parsed) : std::nullopt;
  }
  if (!value.is_number()) return std::nullopt;
  const auto number = value.to_number<double>();
  return std::abs(number) <= kMost ? std::optional(Credits::thousandths(std::llround(number * 1000))) : std::nullopt;
}

}  // namespace

Credits opening_credit(db::Tx& tx, const std::optional<std::string>& given) {
  if (given) return Credits::parse(*given).value_or(Credits{});
  const auto settings = identity::load_settings(tx);
  const auto* stored = identity::setting_at(settings, "credit.default_credit");
  const auto amount = stored ? amount_of(*stored) : std::nullopt;
  return amount && *amount > Credits{} ? *amount : Credits{};
}

}  // namespace fluxgate::app

#include "catalogue/price.h"

#include <fmt/format.h>

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kMegapixel = 1'048'576;
constexpr std::uint64_t kMegapixelsMax = 10'000;       // no schema allows more; the sums below fit with it
constexpr std::int64_t kValueMax = 1'000'000'000'000;  // beyond it a price is more than anybody has
constexpr std::uint64_t kPowers[] = {1, 10, 100, 1'000, 10'000, 100'000, 1'000'000};

std::string plain(Decimal d) { return fraction_text(static_cast<std::uint64_t>(d.digits), kPowers[d.scale]); }

}  // namespace

const json::value* Price::effective(const Factor& factor, const json::object& params) const {
  const auto* value = params.if_contains(factor.param);
  if (value && !value->is_null()) return value;
  return factor.schema ? factor.schema->default_value() : nullptr;
}

bool Price::has_input(const json::object& params) const {
  return std::any_of(inputs_.begin(), inputs_.end(),
                     [&](const std::string& name) { return params.contains(name); });
}

Price::Ratio Price::ratio_of(const Factor& factor, const json::object& params,
                             std::optional<int> images) const {
  switch (factor.kind) {
    case Kind::value: {
      if (images && factor.counts_results) return {static_cast<std::uint64_t>(std::max(0, *images)), 1};
      const auto* value = effective(factor, params);
      const auto exact = value ? decimal_of(*value) : std::nullopt;
      if (!exact || exact->digits < 0 || exact->scale > 6) return {};
      if (exact->digits > kValueMax) return {UINT64_MAX, 1};
      // value / per, both with at most six decimals.
      return {static_cast<std::uint64_t>(exact->digits) * kPowers[factor.per.scale],
              static_cast<std::uint64_t>(factor.per.digits) * kPowers[exact->scale]};
    }
    case Kind::table: return table_ratio(factor, effective(factor, params));
    case Kind::megapixels: return megapixel_ratio(factor, effective(factor, params));
    case Kind::has_input:
      return has_input(params)
                 ? Ratio{static_cast<std::uint64_t>(factor.first.digits), kPowers[factor.first.scale]}
                 : Ratio{};
  }
  return {};
}

Price::Ratio Price::table_ratio(const Factor& factor, const json::value* value) const {
  if (!value) return {};
  const std::string word = value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
  for (const auto& [name, times] : factor.table)
    if (name == word) return {static_cast<std::uint64_t>(times.digits), kPowers[times.scale]};
  if (!factor.otherwise) return {};
  return {static_cast<std::uint64_t>(factor.otherwise->digits), kPowers[factor.otherwise->scale]};
}

Price::Ratio Price::megapixel_ratio(const Factor& factor, const json::value* size) const {
  std::uint64_t count = static_cast<std::uint64_t>(factor.otherwise.value_or(Decimal{1, 0}).digits);
  const auto started = [](std::int64_t width, std::int64_t height) {
    const auto area = static_cast<unsigned __int128>(width) * static_cast<unsigned __int128>(height);
    return static_cast<std::uint64_t>((area + kMegapixel - 1) / kMegapixel);
  };
  if (size && size->is_string()) {
    const auto& sizes = factor.schema->words().sizes;
    if (const auto named = sizes.find(std::string_view(size->get_string())); named != sizes.end())
      count = started(named->second.width, named->second.height);
  } else if (const auto* object = size ? size->if_object() : nullptr) {
    const auto* width = object->if_contains("width");
    const auto* height = object->if_contains("height");
    if (width && height && width->is_int64() && height->is_int64() && width->get_int64() > 0 &&
        height->get_int64() > 0)
      count = started(width->get_int64(), height->get_int64());
  }
  count = std::clamp<std::uint64_t>(count, 1, kMegapixelsMax);
  // first + further × (count - 1), at six decimals.
  const auto at_six = [](Decimal d) { return static_cast<std::uint64_t>(d.digits) * kPowers[6 - d.scale]; };
  return {at_six(factor.first) + at_six(factor.further) * (count - 1), kPowers[6]};
}

Quote Price::quote(const json::object& params, int rev, std::optional<int> images) const {
  Quote quote;
  quote.rev = rev;
  quote.lines.push_back({{"Base price", "基础价格"}, base_});
  if (images && *images <= 0) return quote.lines.clear(), quote;
  Product product(base_.in_thousandths());
  for (const Factor& factor : factors_) {
    const Ratio ratio = ratio_of(factor, params, images);
    if (ratio.over == ratio.under) continue;
    product.times(ratio.over, ratio.under);
    const std::string times = fraction_text(ratio.over, ratio.under);
    quote.lines.push_back({{fmt::format("× {} ({})", times, factor.label.en),
                            fmt::format("× {}（{}）", times, factor.label.zh)},
                           Credits::thousandths(product.rounded_up())});
  }
  quote.total = Credits::thousandths(product.rounded_up());
  return quote;
}

std::string Price::words() const {
  std::string text = base_.to_string();
  for (const Factor& factor : factors_) {
    const std::string per = plain(factor.per), first = plain(factor.first), further = plain(factor.further);
    switch (factor.kind) {
      case Kind::value: text += " × " + factor.param + (per == "1" ? "" : " ÷ " + per); break;
      case Kind::table: text += " × by " + factor.param; break;
      case Kind::megapixels:
        text += " × megapixels of " + factor.param;
        if (first != "1" || further != "1")
          text += fmt::format(" (the first {}, each further {})", first, further);
        break;
      case Kind::has_input: text += fmt::format(" × {} with an input", first); break;
    }
  }
  return text;
}

}  // namespace fluxgate::catalogue

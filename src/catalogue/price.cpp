#include "catalogue/price.h"

#include <numeric>

#include <fmt/format.h>

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr std::int64_t kMillion = 1'000'000;
constexpr std::size_t kFactorsMax = 6;

struct Preset {
  std::string_view name;
  std::int64_t width, height;
};
constexpr Preset kPresets[] = {{"square_hd", 1024, 1024},    {"square", 512, 512},         {"portrait_4_3", 768, 1024},
                               {"portrait_16_9", 576, 1024}, {"landscape_4_3", 1024, 768}, {"landscape_16_9", 1024, 576}};

// A decimal string with at most six decimals, in millionths.
std::optional<std::int64_t> millionths(std::string_view text) {
  auto point = text.find('.');
  std::string digits(text.substr(0, point));
  std::string decimals(point == std::string_view::npos ? "" : text.substr(point + 1));
  if (digits.empty() || digits.size() > 6 || decimals.size() > 6) return std::nullopt;
  decimals.append(6 - decimals.size(), '0');
  digits += decimals;
  for (char c : digits)
    if (c < '0' || c > '9') return std::nullopt;
  return std::stoll(digits);
}

std::int64_t whole_of(const json::object& params, const std::string& name) {
  auto* value = params.if_contains(name);
  return value && value->is_int64() ? value->as_int64() : 1;
}

std::string decimal(std::int64_t over, std::int64_t under) {
  std::string text = fmt::format("{:.6f}", static_cast<double>(over) / static_cast<double>(under));
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

std::int64_t pixels_of(const json::value* size) {
  if (size && size->is_string())
    for (const Preset& preset : kPresets)
      if (size->as_string() == preset.name) return preset.width * preset.height;
  if (size && size->is_object()) {
    auto* width = size->as_object().if_contains("width");
    auto* height = size->as_object().if_contains("height");
    if (width && height && width->is_int64() && height->is_int64()) return width->as_int64() * height->as_int64();
  }
  return kMillion;
}

Price Price::compile(const json::value& source, const std::string& pointer, Schema::Problems& problems) {
  Price price;
  auto wrong = [&](const std::string& where, const std::string& what) { problems.emplace_back(pointer + where, what); };
  auto* rule = source.if_object();
  auto* base = rule ? rule->if_contains("base") : nullptr;
  auto amount = base && base->is_string() ? Credits::parse(base->as_string()) : std::nullopt;
  if (!amount || *amount < Credits{}) wrong("/base", "every descriptor has a price: \"base\" is a decimal string ≥ 0");
  price.base_ = amount.value_or(Credits{});
  auto* list = rule ? rule->if_contains("factors") : nullptr;
  if (!list) return price;
  if (!list->is_array() || list->as_array().size() > kFactorsMax) {
    wrong("/factors", fmt::format("must be a list of at most {} factors", kFactorsMax));
    return price;
  }
  for (std::size_t i = 0; i < list->as_array().size(); ++i) {
    std::string where = fmt::format("/factors/{}", i);
    auto* object = list->as_array()[i].if_object();
    if (!object) {
      wrong(where, "must be an object");
      continue;
    }
    Factor factor;
    if (auto* size = object->if_contains("megapixels"); size && size->is_string()) {
      factor.kind = Kind::megapixels, factor.param = size->as_string();
    } else if (auto* more = object->if_contains("has_input"); more && more->is_string()) {
      auto value = millionths(more->as_string());
      if (!value) wrong(where, "has_input must be a decimal string");
      factor.kind = Kind::has_input, factor.millionths = value.value_or(kMillion);
    } else if (auto* param = object->if_contains("param"); param && param->is_string()) {
      factor.param = param->as_string();
      if (auto* per = object->if_contains("per"); per && per->is_int64() && per->as_int64() > 0)
        factor.kind = Kind::per, factor.per = per->as_int64();
      if (auto* table = object->if_contains("table"); table && table->is_object()) {
        factor.kind = Kind::table;
        for (const auto& [word, text] : table->as_object()) {
          auto value = text.is_string() ? millionths(text.as_string()) : std::nullopt;
          if (!value) wrong(where + "/table/" + std::string(word), "must be a decimal string");
          factor.table.emplace_back(std::string(word), value.value_or(kMillion));
        }
      }
    } else {
      wrong(where, "must name param, megapixels or has_input");
    }
    price.factors_.push_back(std::move(factor));
  }
  return price;
}

Price::Ratio Price::ratio_of(const Factor& factor, const json::object& params, bool has_input, std::optional<int> images) const {
  switch (factor.kind) {
    case Kind::count: return {images && factor.param == "num_images" ? *images : whole_of(params, factor.param), 1};
    case Kind::per: return {whole_of(params, factor.param), factor.per};
    case Kind::table: {
      auto* value = params.if_contains(factor.param);
      std::string word = value && value->is_string() ? std::string(value->as_string()) : "";
      for (const auto& [name, millionths] : factor.table)
        if (name == word) return {millionths, kMillion};
      return {1, 1};
    }
    case Kind::megapixels: return {std::max<std::int64_t>(1, (pixels_of(params.if_contains(factor.param)) + kMillion - 1) / kMillion), 1};
    case Kind::has_input: return {has_input ? factor.millionths : kMillion, kMillion};
  }
  return {1, 1};
}

Quote Price::quote(const json::object& params, bool has_input, int rev, std::optional<int> images) const {
  __int128 over = base_.in_thousandths(), under = 1;
  std::string sum = base_.to_string();
  for (const Factor& factor : factors_) {
    Ratio ratio = ratio_of(factor, params, has_input, images);
    std::int64_t common = std::gcd(ratio.over, ratio.under);
    if (common > 1) ratio.over /= common, ratio.under /= common;
    over *= ratio.over;
    under *= ratio.under;
    if (ratio.over != ratio.under) sum += " × " + decimal(ratio.over, ratio.under);
  }
  Quote quote;
  quote.rev = rev;
  quote.total = Credits::thousandths(static_cast<std::int64_t>((over + under - 1) / under));
  quote.lines.push_back({{sum, sum}, quote.total});
  return quote;
}

}  // namespace fluxgate::catalogue

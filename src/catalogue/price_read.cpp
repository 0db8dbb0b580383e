// From a descriptor's JSON to a Price.
#include <array>

#include <fmt/format.h>

#include "catalogue/price.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr std::size_t kFactorsMax = 6;
constexpr std::int64_t kBaseMax = 1'000'000'000;    // credits
constexpr std::int64_t kDigitsMax = 1'000'000'000;  // of a factor: with six decimals, up to a thousand

}  // namespace

class PriceReader {
 public:
  PriceReader(const Schema& schema, std::string pointer, Problems& problems)
      : schema_(schema), pointer_(std::move(pointer)), problems_(problems) {}

  Price read(const json::value& source) {
    for (const auto& property : schema_.properties())
      if (is_input(property.schema->words().role)) price_.inputs_.push_back(property.name);
    const auto* rule = source.if_object();
    const auto* base = rule ? rule->if_contains("base") : nullptr;
    const auto amount = base && base->is_string() ? Credits::parse(base->as_string()) : std::nullopt;
    if (!amount || *amount < Credits{} || *amount > Credits::whole(kBaseMax))
      wrong("/base",
            "every descriptor has a price: \"base\" is a decimal string ≥ 0 with at most three decimals");
    price_.base_ = amount.value_or(Credits{});
    if (rule) read_factors(*rule);
    return std::move(price_);
  }

  static bool is_input(std::string_view role) {
    constexpr std::array kInputs = {"image_input", "mask",        "first_frame",
                                    "last_frame",  "video_input", "audio_input"};
    return std::find(kInputs.begin(), kInputs.end(), role) != kInputs.end();
  }

 private:
  void read_factors(const json::object& rule) {
    for (const auto& [name, value] : rule)
      if (name != "base" && name != "factors")
        wrong(fmt::format("/{}", std::string_view(name)), "no such member of a price");
    const auto* list = rule.if_contains("factors");
    if (!list) return;
    if (!list->is_array() || list->as_array().size() > kFactorsMax)
      return wrong("/factors", fmt::format("must be a list of at most {} factors", kFactorsMax));
    for (std::size_t i = 0; i < list->as_array().size(); ++i) {
      at_ = fmt::format("/factors/{}", i);
      const auto* factor = list->as_array()[i].if_object();
      if (!factor)
        wrong(at_, "must be an object");
      else
        read_factor(*factor);
    }
  }

  void read_factor(const json::object& source) {
    Price::Factor factor;
    if (source.contains("megapixels")) {
      only(source, {"megapixels", "first", "further", "else", "label"});
      factor.kind = Price::Kind::megapixels;
      about(factor, source.at("megapixels"), "megapixels");
      factor.label = {"megapixels", "百万像素"};
      factor.first = decimal(source, "first").value_or(factor.first);
      factor.further = decimal(source, "further").value_or(factor.further);
      factor.otherwise = decimal(source, "else");
      if (factor.otherwise && (factor.otherwise->scale != 0 || factor.otherwise->digits < 1))
        wrong(at_ + "/else", "must be a whole number of megapixels");
      if (factor.schema && factor.schema->words().role != "size")
        wrong(at_, "needs a member with x-role size");
    } else if (source.contains("has_input")) {
      only(source, {"has_input", "label"});
      factor.kind = Price::Kind::has_input;
      factor.first = decimal(source, "has_input").value_or(factor.first);
      factor.label = {"with an input", "含输入"};
      if (price_.inputs_.empty()) wrong(at_, "no member of the schema is an input");
    } else if (source.contains("param")) {
      about(factor, source.at("param"), "param");
      if (source.contains("table")) {
        only(source, {"param", "table", "else", "label"});
        read_table(factor, source);
      } else {
        only(source, {"param", "per", "label"});
        factor.per = decimal(source, "per").value_or(factor.per);
        if (factor.per.digits == 0) wrong(at_ + "/per", "must be greater than 0");
      }
    } else {
      wrong(at_, "must name param, megapixels or has_input");
    }
    if (const auto* label = source.if_contains("label")) {
      const auto text = text_in(*label);
      if (!text) wrong(at_ + "/label", "must be text in en and zh-CN");
      factor.label = text.value_or(Text{});
    }
    price_.factors_.push_back(std::move(factor));
  }

  void about(Price::Factor& factor, const json::value& name, std::string_view word) {
    const auto* property = name.is_string() ? schema_.find(name.as_string()) : nullptr;
    if (!property) return wrong(fmt::format("{}/{}", at_, word), "names a member that the schema lacks");
    factor.param = property->name;
    factor.schema = property->schema.get();
    factor.counts_results = factor.schema->words().role == "count";
    factor.label = factor.schema->words().label;
    if (factor.label.en.empty()) factor.label = {factor.param, factor.param};
  }

  void read_table(Price::Factor& factor, const json::object& source) {
    factor.kind = Price::Kind::table;
    factor.otherwise = decimal(source, "else");
    const auto* table = source.at("table").if_object();
    if (!table) return wrong(at_ + "/table", "must be an object: value → decimal string");
    for (const auto& [word, value] : *table)
      factor.table.emplace_back(std::string(word),
                                number(value, fmt::format("{}/table/{}", at_, std::string_view(word))));
    if (factor.otherwise || !factor.schema) return;
    std::vector<json::value> choices = factor.schema->choices();
    if (factor.schema->types() == Schema::boolean) choices = {true, false};
    if (choices.empty()) wrong(at_ + "/else", "is needed: the schema does not list the choices");
    for (const json::value& choice : choices) {
      const std::string word = choice.is_string() ? std::string(choice.as_string()) : json::serialize(choice);
      if (!table->contains(word))
        wrong(at_ + "/table", fmt::format("lacks {}, and there is no \"else\"", word));
    }
  }

  std::optional<Decimal> decimal(const json::object& source, std::string_view word) {
    const auto* value = source.if_contains(word);
    if (!value) return std::nullopt;
    return number(*value, fmt::format("{}/{}", at_, word));
  }
  Decimal number(const json::value& value, const std::string& where) {
    const auto read = value.is_string()  ? decimal_of(std::string_view(value.as_string()))
                      : value.is_int64() ? decimal_of(value)
                                         : std::nullopt;
    if (read && read->digits >= 0 && read->digits <= kDigitsMax && read->scale <= 6) return *read;
    wrong(where, "must be a decimal string ≥ 0 with at most six decimals");
    return {1, 0};
  }

  void only(const json::object& source, std::initializer_list<std::string_view> words) {
    for (const auto& [name, value] : source)
      if (std::find(words.begin(), words.end(), std::string_view(name)) == words.end())
        wrong(fmt::format("{}/{}", at_, std::string_view(name)), "no such member of this factor");
  }

  void wrong(const std::string& where, std::string what) {
    problems_.emplace_back(pointer_ + where, std::move(what));
  }

  const Schema& schema_;
  std::string pointer_, at_;
  Problems& problems_;
  Price price_;
};

Price Price::compile(const json::value& source, const Schema& schema, const std::string& pointer,
                     Problems& problems) {
  return PriceReader(schema, pointer, problems).read(source);
}

}  // namespace fluxgate::catalogue

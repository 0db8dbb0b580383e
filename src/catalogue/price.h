// A price as data: base × factors, in integer thousandths of a credit, rounded up once at the end (DESIGN §6,
// spec/studio.md §3). The studio evaluates the same data with BigInt; tests/fixtures/catalogue-vectors/
// price.json holds both to the same amounts.
//
//   {"base": "10", "factors": [factor, …]}      base: credits, a decimal string ≥ 0; at most 6 factors
//
//   {"param": "num_images"}                     its value, a number
//   {"param": "num_inference_steps", "per": "28"}          value ÷ 28
//   {"param": "mode", "table": {"pro": "1.5"}, "else": "1"}  by its value (text, true/false or a number as
//   text);
//                                               without "else" the table has every choice of the schema
//   {"megapixels": "image_size", "first": "1", "further": "0.5", "else": "1"}
//                                               started megapixels of 1 048 576 pixels: the first counts
//                                               `first`, each further one `further` (both 1 unless said);
//                                               `else` is the number of megapixels when the size is unknown
//                                               (it follows an input)
//   {"has_input": "1.25"}                       when the request names a picture or a video
//
// Each may carry "label": {"en": …, "zh-CN": …} for the explanation. A member that is absent counts with its
// default; without one its factor is 1. Numbers are decimal strings with at most six decimals, or whole.
// Seconds, resolution classes and modes are members like any other.
#pragma once

#include <string>
#include <vector>

#include <boost/json.hpp>

#include "catalogue/catalogue.h"
#include "catalogue/schema.h"

namespace fluxgate::catalogue {

class Price {
 public:
  // Problems with the rule are appended. `schema` has the members that the rule is about and must outlive it.
  static Price compile(const boost::json::value& source, const Schema& schema, const std::string& pointer,
                       Problems& problems);

  // `images` replaces the member with x-role count; 0 costs nothing whatever the rule.
  Quote quote(const boost::json::object& params, int rev, std::optional<int> images) const;
  void set_base(Credits base) { base_ = base; }
  Credits base() const { return base_; }
  // "10 × num_images", for people.
  std::string words() const;

 private:
  friend class PriceReader;
  enum class Kind { value, table, megapixels, has_input };
  struct Factor {
    Kind kind = Kind::value;
    std::string param;
    const Schema* schema = nullptr;  // of the parameter
    bool counts_results = false;
    Decimal per{1, 0};
    std::vector<std::pair<std::string, Decimal>> table;
    std::optional<Decimal> otherwise;
    Decimal first{1, 0}, further{1, 0};
    Text label;
  };
  // over / under
  struct Ratio {
    std::uint64_t over = 1, under = 1;
  };
  const boost::json::value* effective(const Factor& factor, const boost::json::object& params) const;
  Ratio ratio_of(const Factor& factor, const boost::json::object& params, std::optional<int> images) const;
  Ratio table_ratio(const Factor& factor, const boost::json::value* value) const;
  Ratio megapixel_ratio(const Factor& factor, const boost::json::value* size) const;
  bool has_input(const boost::json::object& params) const;

  Credits base_;
  std::vector<Factor> factors_;
  std::vector<std::string> inputs_;  // members that name pictures or videos
};

}  // namespace fluxgate::catalogue

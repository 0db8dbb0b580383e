// A price as data: base × factors, in integer thousandths of a credit, rounded up once at the end. No
// floating point anywhere (DESIGN §6, spec/studio.md §3).
//
// Factors, each an object:
//   {"param": "num_images"}                       the parameter's value (a whole number)
//   {"param": "steps", "per": 28}                 value / 28
//   {"param": "mode", "table": {"pro": "1.5"}}    by the parameter's text; absent words count as 1
//   {"megapixels": "image_size"}                  pixels of a size parameter in started megapixels
//   {"has_input": "1.25"}                         when a picture is given
#pragma once

#include <string>
#include <vector>

#include <boost/json.hpp>

#include "catalogue/catalogue.h"
#include "catalogue/schema.h"

namespace fluxgate::catalogue {

class Price {
 public:
  // Problems with the rule are appended.
  static Price compile(const boost::json::value& source, const std::string& pointer, Schema::Problems& problems);

  // `images` replaces the parameter that counts them, when the rule uses it.
  Quote quote(const boost::json::object& params, bool has_input, int rev, std::optional<int> images) const;
  void set_base(Credits base) { base_ = base; }
  Credits base() const { return base_; }

 private:
  enum class Kind { count, per, table, megapixels, has_input };
  struct Factor {
    Kind kind = Kind::count;
    std::string param;
    std::int64_t per = 1;
    std::vector<std::pair<std::string, std::int64_t>> table;  // millionths
    std::int64_t millionths = 1'000'000;
  };
  struct Ratio {
    std::int64_t over = 1, under = 1;
  };
  Ratio ratio_of(const Factor& factor, const boost::json::object& params, bool has_input, std::optional<int> images) const;

  Credits base_;
  std::vector<Factor> factors_;
};

// Width × height of a size parameter: a preset's name or {width, height}; 1 megapixel when unknown.
std::int64_t pixels_of(const boost::json::value* size);

}  // namespace fluxgate::catalogue

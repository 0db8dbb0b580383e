// The subset of JSON Schema that descriptors are written in (spec/studio.md §3), compiled once and then
// asked often: validation, defaults, and which members are what.
//
// Keywords: type enum const minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength
// maxLength pattern minItems maxItems uniqueItems items properties required additionalProperties
// dependentRequired allOf if then else default, and words that begin with "x-". Anything else is refused
// at load. Lengths count Unicode code points. `multipleOf` is exact to six decimals.
#pragma once

#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/result.h"

namespace fluxgate::catalogue {

using Location = std::vector<std::variant<std::string, std::int64_t>>;

class Schema {
 public:
  enum Type : unsigned { string = 1, integer = 2, number = 4, boolean = 8, array = 16, object = 32, null = 64 };
  struct Property;

  // Appends what is wrong with `source` to `problems` as (JSON pointer, sentence).
  using Problems = std::vector<std::pair<std::string, std::string>>;
  static std::shared_ptr<const Schema> compile(const boost::json::value& source, const std::string& pointer, Problems& problems);

  // Appends every refusal; `value` is brought into the schema's type where the original's validator did
  // (a whole number in text or as 4.0; x-coerce: "text" takes a number as text).
  void validate(boost::json::value& value, const Location& at, std::vector<FieldError>& errors) const;
  bool accepts(boost::json::value value) const;

  const std::vector<Property>& properties() const { return properties_; }
  const Property* find(std::string_view name) const;
  const boost::json::value* default_value() const { return default_ ? &*default_ : nullptr; }
  // An "x-" word's text, "" when absent.
  std::string_view extra(std::string_view word) const;
  const boost::json::object& source() const { return source_; }
  std::optional<double> maximum() const { return maximum_; }

 private:
  void check_number(const boost::json::value& value, const Location& at, std::vector<FieldError>& errors) const;
  void check_text(const boost::json::value& value, const Location& at, std::vector<FieldError>& errors) const;
  void check_array(boost::json::value& value, const Location& at, std::vector<FieldError>& errors) const;
  void check_object(boost::json::value& value, const Location& at, std::vector<FieldError>& errors) const;
  bool check_type(boost::json::value& value, const Location& at, std::vector<FieldError>& errors) const;
  void read(const boost::json::object& source, const std::string& pointer, Problems& problems);

  boost::json::object source_;
  unsigned types_ = 0;  // 0 = any
  std::vector<boost::json::value> enum_;
  std::optional<double> minimum_, maximum_, exclusive_minimum_, exclusive_maximum_;
  std::optional<std::int64_t> multiple_of_millionths_;
  std::optional<std::size_t> min_length_, max_length_, min_items_, max_items_;
  std::optional<std::regex> pattern_;
  std::string pattern_text_;
  bool unique_items_ = false;
  bool additional_ = true;
  std::shared_ptr<const Schema> items_, if_, then_, else_;
  std::vector<std::shared_ptr<const Schema>> all_of_;
  std::vector<Property> properties_;
  std::vector<std::string> required_;
  std::vector<std::pair<std::string, std::vector<std::string>>> dependent_required_;
  std::optional<boost::json::value> default_;
};

struct Schema::Property {
  std::string name;
  std::shared_ptr<const Schema> schema;
};

// "steps" → the known word it most resembles, "" when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

// The received value as it may stand in a message: cut, on one line.
std::string shown(const boost::json::value& value);

}  // namespace fluxgate::catalogue

// The subset of JSON Schema that descriptors are written in (spec/studio.md §3), compiled once and then asked
// often: validation, defaults, and which members are what.
//
// Keywords: type enum const minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength
// pattern minItems maxItems uniqueItems items properties required additionalProperties (true or false)
// dependentRequired allOf if then else default. Anything else is refused at load, and so is an unknown word
// with "x-" (words.h lists ours). Lengths count Unicode code points; `multipleOf` is exact on decimals; a
// `pattern` needs a maxLength of at most 1 000 (pattern.h). null is an absent member, never a value.
//
// Immutable once compiled; any thread may ask.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/result.h"
#include "catalogue/decimal.h"
#include "catalogue/path.h"
#include "catalogue/pattern.h"
#include "catalogue/words.h"

namespace fluxgate::catalogue {

// What is wrong with a descriptor: (JSON pointer, sentence).
using Problems = std::vector<std::pair<std::string, std::string>>;

class Schema {
 public:
  enum Type : unsigned {
    string = 1,
    integer = 2,
    number = 4,
    boolean = 8,
    array = 16,
    object = 32,
    null = 64
  };
  struct Property;

  // Never null; what is wrong with `source` is appended to `problems`.
  static std::shared_ptr<const Schema> compile(const boost::json::value& source, const std::string& pointer,
                                               Problems& problems);

  // Brings a value into the schema's types where the original's validator (Pydantic) did: "2" and 2.0 as 2,
  // "true" as true; and a number as text where the schema says x-coerce: "text". What fits nothing stays as
  // it is, for validate to refuse.
  void coerce(boost::json::value& value) const;
  void validate(const boost::json::value& value, const Path& at, Findings& findings) const;
  bool accepts(const boost::json::value& value) const;

  // The parts of `validate` for an object whose members are judged one by one elsewhere: what concerns
  // several of them together.
  bool has_rules_between_members() const;
  void validate_between_members(const boost::json::value& object, const Path& at, Findings& findings) const;

  const std::vector<Property>& properties() const { return properties_; }
  const Property* find(std::string_view name) const;
  bool requires_member(std::string_view name) const;
  const std::vector<std::string>& required() const { return required_; }
  bool takes_others() const { return additional_; }
  const boost::json::value* default_value() const { return default_ ? &*default_ : nullptr; }
  const std::vector<boost::json::value>& choices() const { return enum_; }
  unsigned types() const { return types_; }
  std::optional<double> minimum() const { return minimum_; }
  std::optional<double> maximum() const { return maximum_; }
  const Words& words() const { return words_; }
  // As written, without what concerns the upstream alone.
  const boost::json::object& shown() const { return shown_; }

 private:
  friend class SchemaReader;

  bool check_type(const boost::json::value& value, const Path& at, Findings& findings) const;
  void check_number(const boost::json::value& value, const Path& at, Findings& findings) const;
  void check_text(const boost::json::value& value, const Path& at, Findings& findings) const;
  void check_array(const boost::json::value& value, const Path& at, Findings& findings) const;
  void check_object(const boost::json::value& value, const Path& at, Findings& findings) const;
  void check_area(const boost::json::object& size, const Path& at, Findings& findings) const;
  const Schema* branch_for(const boost::json::value& value) const;  // of if/then/else; may be null

  boost::json::object shown_;
  Words words_;
  unsigned types_ = 0;  // 0 = any
  std::vector<boost::json::value> enum_;
  std::optional<double> minimum_, maximum_, exclusive_minimum_, exclusive_maximum_;
  std::optional<Decimal> multiple_of_;
  double step_ = 0;  // the same, for the refusal
  std::optional<std::size_t> min_length_, max_length_, min_items_, max_items_;
  std::optional<Pattern> pattern_;
  bool unique_items_ = false;
  bool additional_ = true;
  std::shared_ptr<const Schema> items_, if_, then_, else_;
  std::vector<std::shared_ptr<const Schema>> all_of_;
  std::vector<Property> properties_;
  std::vector<std::string> names_;  // of the properties, for `nearest`
  std::vector<std::string> required_;
  std::vector<std::pair<std::string, std::vector<std::string>>> dependent_required_;
  std::optional<boost::json::value> default_;
};

struct Schema::Property {
  std::string name;
  std::shared_ptr<const Schema> schema;
};

}  // namespace fluxgate::catalogue

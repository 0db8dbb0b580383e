// From a descriptor's JSON to a Schema. Every doubt is a problem with its place; nothing is guessed.
#include <set>

#include <fmt/format.h>

#include "catalogue/schema.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr int kDepthMax = 12;
constexpr std::size_t kUniqueItemsMax = 1'000;  // they are compared each with each

unsigned type_bit(std::string_view name) {
  if (name == "string") return Schema::string;
  if (name == "integer") return Schema::integer;
  if (name == "number") return Schema::number;
  if (name == "boolean") return Schema::boolean;
  if (name == "array") return Schema::array;
  if (name == "object") return Schema::object;
  if (name == "null") return Schema::null;
  return 0;
}

void hide_upstream(json::object& schema) {
  schema.stable_erase("x-send");
  for (auto& [word, value] : schema) {
    if (auto* object = value.if_object()) hide_upstream(*object);
    if (auto* list = value.if_array())
      for (json::value& item : *list)
        if (auto* object = item.if_object()) hide_upstream(*object);
  }
}

}  // namespace

class SchemaReader {
 public:
  SchemaReader(Schema& schema, const json::object& source, std::string pointer, int depth, Problems& problems)
      : schema_(schema), source_(source), pointer_(std::move(pointer)), depth_(depth), problems_(problems) {}

  static std::shared_ptr<const Schema> compile(const json::value& source, const std::string& pointer,
                                               int depth, Problems& problems) {
    auto schema = std::make_shared<Schema>();
    if (!source.is_object())
      problems.emplace_back(pointer, "a schema must be an object");
    else if (depth > kDepthMax)
      problems.emplace_back(pointer, "is nested too deeply");
    else
      SchemaReader(*schema, source.as_object(), pointer, depth, problems).read();
    return schema;
  }

 private:
  void read() {
    static const std::set<std::string_view> known = {"type",
                                                     "enum",
                                                     "const",
                                                     "minimum",
                                                     "maximum",
                                                     "exclusiveMinimum",
                                                     "exclusiveMaximum",
                                                     "multipleOf",
                                                     "minLength",
                                                     "maxLength",
                                                     "pattern",
                                                     "minItems",
                                                     "maxItems",
                                                     "uniqueItems",
                                                     "items",
                                                     "properties",
                                                     "required",
                                                     "additionalProperties",
                                                     "dependentRequired",
                                                     "allOf",
                                                     "if",
                                                     "then",
                                                     "else",
                                                     "default"};
    for (const auto& [word, value] : source_)
      if (!known.contains(std::string_view(word)) && !word.starts_with("x-"))
        wrong(word, "this keyword is not part of the subset (src/catalogue/schema.h)");
    schema_.words_ = Words::read(source_, pointer_, problems_);
    schema_.shown_ = source_;
    hide_upstream(schema_.shown_);
    read_type();
    read_numbers();
    read_texts();
    read_lists();
    read_members();
    read_branches();
    read_default();
  }

  void read_type() {
    if (const auto* type = source_.if_contains("type")) {
      const auto* names = type->if_array();
      if (names && names->empty()) wrong("type", "must name at least one type");
      if (names)
        for (const json::value& name : *names) add_type(name);
      else
        add_type(*type);
    }
    if (const auto* values = source_.if_contains("enum")) {
      if (!values->is_array() || values->as_array().empty()) return wrong("enum", "must be a list of values");
      schema_.enum_.assign(values->as_array().begin(), values->as_array().end());
    }
    if (const auto* value = source_.if_contains("const")) schema_.enum_ = {*value};
  }
  void add_type(const json::value& name) {
    const unsigned bit = name.is_string() ? type_bit(name.as_string()) : 0;
    if (bit == 0) wrong("type", "no such type: " + json::serialize(name));
    schema_.types_ |= bit;
  }

  void read_numbers() {
    number("minimum", schema_.minimum_);
    number("maximum", schema_.maximum_);
    number("exclusiveMinimum", schema_.exclusive_minimum_);
    number("exclusiveMaximum", schema_.exclusive_maximum_);
    if (schema_.minimum_ && schema_.maximum_ && *schema_.minimum_ > *schema_.maximum_)
      wrong("minimum", "is above the maximum");
    if (const auto* step = source_.if_contains("multipleOf")) {
      schema_.multiple_of_ = decimal_of(*step);
      schema_.step_ = step->is_number() ? step->to_number<double>() : 0;
      if (!schema_.multiple_of_ || schema_.multiple_of_->digits <= 0) {
        wrong("multipleOf", "must be a number > 0");
        schema_.multiple_of_.reset();
      }
    }
  }
  void number(std::string_view word, std::optional<double>& to) {
    const auto* value = source_.if_contains(word);
    if (!value) return;
    if (!value->is_number()) return wrong(word, "must be a number");
    to = value->to_number<double>();
  }

  void read_texts() {
    size("minLength", schema_.min_length_);
    size("maxLength", schema_.max_length_);
    if (const auto* text = source_.if_contains("pattern")) {
      if (!text->is_string()) return wrong("pattern", "must be text");
      Pattern pattern;
      if (std::string why = pattern.compile(text->as_string()); !why.empty()) return wrong("pattern", why);
      if (!schema_.max_length_ || *schema_.max_length_ > Pattern::kLongestText)
        wrong("pattern", fmt::format("needs a maxLength of at most {}", Pattern::kLongestText));
      schema_.pattern_ = std::move(pattern);
    }
  }
  void size(std::string_view word, std::optional<std::size_t>& to) {
    const auto* value = source_.if_contains(word);
    if (!value) return;
    if (!value->is_int64() || value->get_int64() < 0) return wrong(word, "must be a whole number ≥ 0");
    to = static_cast<std::size_t>(value->get_int64());
  }

  void read_lists() {
    size("minItems", schema_.min_items_);
    size("maxItems", schema_.max_items_);
    flag("uniqueItems", schema_.unique_items_);
    if (schema_.unique_items_ && schema_.max_items_.value_or(kUniqueItemsMax + 1) > kUniqueItemsMax)
      wrong("uniqueItems", fmt::format("needs a maxItems of at most {}", kUniqueItemsMax));
    child("items", schema_.items_);
  }
  void flag(std::string_view word, bool& to) {
    const auto* value = source_.if_contains(word);
    if (!value) return;
    if (!value->is_bool()) return wrong(word, "must be true or false");
    to = value->as_bool();
  }

  void read_members() {
    flag("additionalProperties", schema_.additional_);
    if (const auto* members = object("properties"))
      for (const auto& [name, value] : *members) {
        std::string at = fmt::format("{}/properties/{}", pointer_, std::string_view(name));
        schema_.properties_.push_back({std::string(name), compile(value, at, depth_ + 1, problems_)});
        schema_.names_.emplace_back(name);
      }
    names("required", source_.if_contains("required"), schema_.required_);
    if (const auto* map = object("dependentRequired"))
      for (const auto& [name, list] : *map) {
        std::vector<std::string> others;
        names("dependentRequired", &list, others);
        schema_.dependent_required_.emplace_back(std::string(name), std::move(others));
      }
  }
  const json::object* object(std::string_view word) {
    const auto* value = source_.if_contains(word);
    if (value && !value->is_object()) wrong(word, "must be an object");
    return value ? value->if_object() : nullptr;
  }
  void names(std::string_view word, const json::value* list, std::vector<std::string>& to) {
    if (!list) return;
    if (!list->is_array()) return wrong(word, "must be a list of names");
    for (const json::value& name : list->as_array()) {
      if (!name.is_string()) return wrong(word, "must be a list of names");
      to.emplace_back(name.as_string());
    }
  }

  void read_branches() {
    child("if", schema_.if_);
    child("then", schema_.then_);
    child("else", schema_.else_);
    const auto* list = source_.if_contains("allOf");
    if (!list) return;
    if (!list->is_array()) return wrong("allOf", "must be a list of schemas");
    for (std::size_t i = 0; i < list->as_array().size(); ++i)
      schema_.all_of_.push_back(
          compile(list->as_array()[i], fmt::format("{}/allOf/{}", pointer_, i), depth_ + 1, problems_));
  }
  void child(std::string_view word, std::shared_ptr<const Schema>& to) {
    if (const auto* value = source_.if_contains(word))
      to = compile(*value, fmt::format("{}/{}", pointer_, word), depth_ + 1, problems_);
  }

  void read_default() {
    const auto* value = source_.if_contains("default");
    if (!value || value->is_null()) return;
    if (!schema_.accepts(*value)) return wrong("default", "the default breaks the schema's own rules");
    schema_.default_ = *value;
  }

  void wrong(std::string_view word, std::string what) {
    problems_.emplace_back(fmt::format("{}/{}", pointer_, word), std::move(what));
  }

  Schema& schema_;
  const json::object& source_;
  std::string pointer_;
  int depth_;
  Problems& problems_;
};

std::shared_ptr<const Schema> Schema::compile(const json::value& source, const std::string& pointer,
                                              Problems& problems) {
  return SchemaReader::compile(source, pointer, 0, problems);
}

}  // namespace fluxgate::catalogue

#include "schema_check.h"

#include <cmath>
#include <regex>

#include <fmt/format.h>

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

// Annotations that say nothing about the value.
constexpr std::string_view kSilent[] = {"title",   "description", "default", "contentMediaType",
                                        "example", "deprecated"};

class Checker {
 public:
  explicit Checker(const json::value& root) : root_(root) {}

  void check(const json::value& value, const json::value& schema, const std::string& at) {
    const json::object& rules = schema.as_object();
    for (const auto& [keyword, rule] : rules) apply(keyword, rule, rules, value, at);
  }
  std::vector<std::string> take() { return std::move(found_); }

 private:
  bool fits(const json::value& value, const json::value& schema) const {
    return misfits(value, schema, root_).empty();
  }
  void report(const std::string& at, std::string what) {
    found_.push_back(fmt::format("{}: {}", at.empty() ? "/" : at, what));
  }

  void apply(std::string_view keyword, const json::value& rule, const json::object& rules,
             const json::value& value, const std::string& at) {
    if (keyword == "$ref") return check(value, *pointed(rule.as_string()), at);
    if (keyword == "type") return check_type(rule, value, at);
    if (keyword == "enum") return check_enum(rule.as_array(), value, at);
    if (keyword == "const") {
      if (!same(rule, value)) report(at, fmt::format("is not {}", json::serialize(rule)));
      return;
    }
    if (keyword == "allOf" || keyword == "anyOf" || keyword == "oneOf")
      return check_choice(keyword, rule.as_array(), value, at);
    if (keyword == "if") return check_condition(rule, rules, value, at);
    if (keyword == "then" || keyword == "else") return;
    if (value.is_object() && check_object(keyword, rule, rules, value.as_object(), at)) return;
    if (value.is_array() && check_array(keyword, rule, value.as_array(), at)) return;
    if (value.is_string() && check_string(keyword, rule, std::string(value.as_string()), at)) return;
    if (value.is_number() && check_number(keyword, rule, value.to_number<double>(), at)) return;
    if (!is_known(keyword)) report(at, fmt::format("the keyword {} is not known here", keyword));
  }

  static bool is_known(std::string_view keyword) {
    static constexpr std::string_view kTyped[] = {"properties",
                                                  "required",
                                                  "additionalProperties",
                                                  "items",
                                                  "minItems",
                                                  "maxItems",
                                                  "uniqueItems",
                                                  "minLength",
                                                  "maxLength",
                                                  "pattern",
                                                  "minimum",
                                                  "maximum",
                                                  "exclusiveMinimum",
                                                  "multipleOf"};
    return keyword.starts_with("x-") || std::ranges::find(kSilent, keyword) != std::end(kSilent) ||
           std::ranges::find(kTyped, keyword) != std::end(kTyped);
  }

  static bool same(const json::value& a, const json::value& b) {
    if (a.is_number() && b.is_number()) return a.to_number<double>() == b.to_number<double>();
    return a == b;
  }

  const json::value* pointed(std::string_view reference) const {
    return &root_.at_pointer(reference.substr(1));
  }

  static bool has_type(std::string_view type, const json::value& value) {
    if (type == "null") return value.is_null();
    if (type == "boolean") return value.is_bool();
    if (type == "string") return value.is_string();
    if (type == "array") return value.is_array();
    if (type == "object") return value.is_object();
    if (type == "number") return value.is_number();
    return type == "integer" && value.is_number() &&
           std::trunc(value.to_number<double>()) == value.to_number<double>();
  }

  void check_type(const json::value& rule, const json::value& value, const std::string& at) {
    bool right = false;
    if (rule.is_string()) right = has_type(rule.as_string(), value);
    if (rule.is_array())
      for (const auto& type : rule.as_array()) right = right || has_type(type.as_string(), value);
    if (!right)
      report(at, fmt::format("{} is no {}", json::serialize(value).substr(0, 100), json::serialize(rule)));
  }

  void check_enum(const json::array& words, const json::value& value, const std::string& at) {
    for (const auto& word : words)
      if (same(word, value)) return;
    report(at, fmt::format("{} is none of {}", json::serialize(value), json::serialize(words)));
  }

  void check_choice(std::string_view keyword, const json::array& choices, const json::value& value,
                    const std::string& at) {
    std::size_t right = 0;
    for (const auto& choice : choices) {
      if (keyword == "allOf")
        check(value, choice, at);
      else
        right += fits(value, choice) ? 1 : 0;
    }
    if (keyword == "anyOf" && right == 0) report(at, "fits none of the choices");
    if (keyword == "oneOf" && right != 1) report(at, fmt::format("fits {} of the choices, not one", right));
  }

  void check_condition(const json::value& condition, const json::object& rules, const json::value& value,
                       const std::string& at) {
    const auto* branch = rules.if_contains(fits(value, condition) ? "then" : "else");
    if (branch != nullptr) check(value, *branch, at);
  }

  bool check_object(std::string_view keyword, const json::value& rule, const json::object& rules,
                    const json::object& object, const std::string& at) {
    if (keyword == "required") {
      for (const auto& name : rule.as_array())
        if (!object.contains(name.as_string()))
          report(at, fmt::format("lacks {}", std::string_view(name.as_string())));
      return true;
    }
    if (keyword == "properties") {
      for (const auto& [name, schema] : rule.as_object())
        if (const auto* member = object.if_contains(name))
          check(*member, schema, at + "/" + std::string(name));
      return true;
    }
    if (keyword != "additionalProperties") return false;
    const auto* named = rules.if_contains("properties");
    for (const auto& [name, member] : object) {
      if (named != nullptr && named->as_object().contains(name)) continue;
      if (rule.is_object()) check(member, rule, at + "/" + std::string(name));
      if (rule.is_bool() && !rule.as_bool())
        report(at, fmt::format("has {}, which the schema does not name", std::string_view(name)));
    }
    return true;
  }

  bool check_array(std::string_view keyword, const json::value& rule, const json::array& list,
                   const std::string& at) {
    if (keyword == "items") {
      for (std::size_t i = 0; i < list.size(); ++i) check(list[i], rule, fmt::format("{}/{}", at, i));
      return true;
    }
    if (keyword == "minItems" && list.size() < rule.to_number<std::size_t>()) report(at, "has too few items");
    if (keyword == "maxItems" && list.size() > rule.to_number<std::size_t>())
      report(at, "has too many items");
    return keyword == "minItems" || keyword == "maxItems";
  }

  bool check_string(std::string_view keyword, const json::value& rule, const std::string& text,
                    const std::string& at) {
    // Code points, not bytes.
    const auto length = static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    if (keyword == "minLength" && length < rule.to_number<std::size_t>()) report(at, "is too short");
    if (keyword == "maxLength" && length > rule.to_number<std::size_t>()) report(at, "is too long");
    if (keyword == "pattern" && !std::regex_search(text, std::regex(std::string(rule.as_string()))))
      report(at, fmt::format("\"{}\" does not match", text));
    return keyword == "minLength" || keyword == "maxLength" || keyword == "pattern";
  }

  bool check_number(std::string_view keyword, const json::value& rule, double number, const std::string& at) {
    if (keyword == "minimum" && number < rule.to_number<double>())
      report(at, fmt::format("{} is too small", number));
    if (keyword == "maximum" && number > rule.to_number<double>())
      report(at, fmt::format("{} is too large", number));
    if (keyword == "exclusiveMinimum" && number <= rule.to_number<double>())
      report(at, fmt::format("{} is too small", number));
    return keyword == "minimum" || keyword == "maximum" || keyword == "exclusiveMinimum";
  }

  const json::value& root_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> misfits(const json::value& value, const json::value& schema,
                                 const json::value& root) {
  Checker checker(root);
  checker.check(value, schema, "");
  return checker.take();
}

}  // namespace fluxgate::integration

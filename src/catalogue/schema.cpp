#include "catalogue/schema.h"

#include <cmath>
#include <set>

#include <fmt/format.h>

#include "catalogue/refusals.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr double kMillion = 1e6;

const std::set<std::string_view> kKeywords = {
    "type",     "enum",        "const",      "minimum",  "maximum",          "exclusiveMinimum",     "exclusiveMaximum",
    "multipleOf", "minLength", "maxLength",  "pattern",  "minItems",         "maxItems",             "uniqueItems",
    "items",    "properties",  "required",   "additionalProperties",         "dependentRequired",    "allOf",
    "if",       "then",        "else",       "default"};

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

bool whole(double n) { return std::nearbyint(n) == n && std::abs(n) < 9.2e18; }

unsigned type_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return Schema::null;
    case json::kind::bool_: return Schema::boolean;
    case json::kind::int64:
    case json::kind::uint64: return Schema::integer | Schema::number;
    case json::kind::double_: return Schema::number | (whole(value.get_double()) ? Schema::integer : 0u);
    case json::kind::string: return Schema::string;
    case json::kind::array: return Schema::array;
    case json::kind::object: return Schema::object;
  }
  return 0;
}

std::size_t code_points(std::string_view text) {
  std::size_t count = 0;
  for (char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

Location below(const Location& at, std::variant<std::string, std::int64_t> step) {
  Location next = at;
  next.push_back(std::move(step));
  return next;
}

// "12", "3.5" as the number they name; the original's validator took them.
std::optional<json::value> number_in(const json::value& value, bool only_whole) {
  if (!value.is_string() || value.as_string().empty() || value.as_string().size() > 24) return std::nullopt;
  boost::system::error_code error;
  auto parsed = json::parse(value.as_string(), error);
  if (error || !parsed.is_number()) return std::nullopt;
  if (only_whole && !(type_of(parsed) & Schema::integer)) return std::nullopt;
  return parsed;
}

}  // namespace

// ---- compiling ----

std::shared_ptr<const Schema> Schema::compile(const json::value& source, const std::string& pointer, Problems& problems) {
  auto schema = std::make_shared<Schema>();
  if (!source.is_object()) {
    problems.emplace_back(pointer, "a schema must be an object");
    return schema;
  }
  schema->source_ = source.as_object();
  for (const auto& [word, value] : schema->source_)
    if (!kKeywords.contains(std::string_view(word)) && !word.starts_with("x-"))
      problems.emplace_back(pointer + "/" + std::string(word), "this keyword is not part of the subset (catalogue/README.md)");
  try {
    schema->read(schema->source_, pointer, problems);
  } catch (const std::exception& wrong) {
    problems.emplace_back(pointer, fmt::format("a keyword has a value of the wrong type: {}", wrong.what()));
  }
  return schema;
}

void Schema::read(const json::object& source, const std::string& pointer, Problems& problems) {
  auto member = [&](std::string_view word) { return source.if_contains(word); };
  auto real = [&](std::string_view word, std::optional<double>& to) {
    if (auto* value = member(word)) to = value->to_number<double>();
  };
  auto size = [&](std::string_view word, std::optional<std::size_t>& to) {
    if (auto* value = member(word)) to = value->to_number<std::size_t>();
  };
  auto child = [&](std::string_view word, std::shared_ptr<const Schema>& to) {
    if (auto* value = member(word)) to = compile(*value, pointer + "/" + std::string(word), problems);
  };
  if (auto* type = member("type")) {
    auto add = [&](const json::value& name) {
      unsigned bit = type_bit(name.as_string());
      if (bit == 0) problems.emplace_back(pointer + "/type", "no such type: " + shown(name));
      types_ |= bit;
    };
    if (type->is_array())
      for (const auto& name : type->as_array()) add(name);
    else add(*type);
  }
  if (auto* values = member("enum")) enum_.assign(values->as_array().begin(), values->as_array().end());
  if (auto* value = member("const")) enum_ = {*value};
  real("minimum", minimum_), real("maximum", maximum_);
  real("exclusiveMinimum", exclusive_minimum_), real("exclusiveMaximum", exclusive_maximum_);
  if (auto* step = member("multipleOf")) {
    multiple_of_millionths_ = std::llround(step->to_number<double>() * kMillion);
    if (*multiple_of_millionths_ <= 0) problems.emplace_back(pointer + "/multipleOf", "must be at least 0.000001");
  }
  size("minLength", min_length_), size("maxLength", max_length_), size("minItems", min_items_), size("maxItems", max_items_);
  if (auto* text = member("pattern")) {
    pattern_text_ = text->as_string();
    pattern_.emplace(pattern_text_, std::regex::ECMAScript);
  }
  if (auto* flag = member("uniqueItems")) unique_items_ = flag->as_bool();
  if (auto* flag = member("additionalProperties")) additional_ = flag->as_bool();
  child("items", items_), child("if", if_), child("then", then_), child("else", else_);
  if (auto* list = member("allOf"))
    for (std::size_t i = 0; i < list->as_array().size(); ++i)
      all_of_.push_back(compile(list->as_array()[i], fmt::format("{}/allOf/{}", pointer, i), problems));
  if (auto* members = member("properties"))
    for (const auto& [name, value] : members->as_object())
      properties_.push_back({std::string(name), compile(value, pointer + "/properties/" + std::string(name), problems)});
  if (auto* names = member("required"))
    for (const auto& name : names->as_array()) required_.emplace_back(name.as_string());
  if (auto* map = member("dependentRequired"))
    for (const auto& [name, list] : map->as_object()) {
      std::vector<std::string> others;
      for (const auto& other : list.as_array()) others.emplace_back(other.as_string());
      dependent_required_.emplace_back(std::string(name), std::move(others));
    }
  if (auto* value = member("default")) {
    default_ = *value;
    if (!value->is_null() && !accepts(*value)) problems.emplace_back(pointer + "/default", "the default breaks the schema's own rules");
  }
}

// ---- asking ----

const Schema::Property* Schema::find(std::string_view name) const {
  for (const Property& property : properties_)
    if (property.name == name) return &property;
  return nullptr;
}

std::string_view Schema::extra(std::string_view word) const {
  auto* value = source_.if_contains(word);
  return value && value->is_string() ? std::string_view(value->as_string()) : std::string_view();
}

bool Schema::accepts(json::value value) const {
  std::vector<FieldError> errors;
  validate(value, {}, errors);
  return errors.empty();
}

void Schema::validate(json::value& value, const Location& at, std::vector<FieldError>& errors) const {
  if (!check_type(value, at, errors)) return;
  if (!enum_.empty() && std::find(enum_.begin(), enum_.end(), value) == enum_.end()) {
    errors.push_back(refuse::not_one_of(at, value, enum_));
    return;
  }
  if (value.is_number()) check_number(value, at, errors);
  if (value.is_string()) check_text(value, at, errors);
  if (value.is_array()) check_array(value, at, errors);
  if (value.is_object()) check_object(value, at, errors);
  for (const auto& part : all_of_) part->validate(value, at, errors);
  if (if_) {
    const auto& branch = if_->accepts(value) ? then_ : else_;
    if (branch) branch->validate(value, at, errors);
  }
}

bool Schema::check_type(json::value& value, const Location& at, std::vector<FieldError>& errors) const {
  if (types_ == 0 || (type_of(value) & types_) != 0) {
    // 4.0 is a whole number, and is sent on as one.
    if (value.is_double() && (types_ & integer) && !(types_ & number)) value = static_cast<std::int64_t>(value.get_double());
    return true;
  }
  if (types_ & (integer | number)) {
    if (auto parsed = number_in(value, !(types_ & number))) {
      value = std::move(*parsed);
      return true;
    }
  }
  if ((types_ & string) && value.is_int64() && extra("x-coerce") == "text") {
    value = json::string(std::to_string(value.as_int64()));
    return true;
  }
  errors.push_back(refuse::wrong_type(at, value, types_));
  return false;
}

void Schema::check_number(const json::value& value, const Location& at, std::vector<FieldError>& errors) const {
  double n = value.to_number<double>();
  if (minimum_ && n < *minimum_) errors.push_back(refuse::below(at, value, *minimum_, refuse::Bound::included));
  else if (maximum_ && n > *maximum_) errors.push_back(refuse::above(at, value, *maximum_, refuse::Bound::included, extra("x-above")));
  else if (exclusive_minimum_ && n <= *exclusive_minimum_) errors.push_back(refuse::below(at, value, *exclusive_minimum_, refuse::Bound::excluded));
  else if (exclusive_maximum_ && n >= *exclusive_maximum_) errors.push_back(refuse::above(at, value, *exclusive_maximum_, refuse::Bound::excluded, ""));
  else if (multiple_of_millionths_) {
    double scaled = n * kMillion;
    bool fits = std::abs(scaled) < 9e18 && std::abs(scaled - std::nearbyint(scaled)) < 1e-3 &&
                std::llround(scaled) % *multiple_of_millionths_ == 0;
    if (!fits) errors.push_back(refuse::no_multiple(at, value, static_cast<double>(*multiple_of_millionths_) / kMillion));
  }
}

void Schema::check_text(const json::value& value, const Location& at, std::vector<FieldError>& errors) const {
  std::string_view text = value.as_string();
  std::size_t length = code_points(text);
  if (min_length_ && length < *min_length_) errors.push_back(refuse::too_short_text(at, value, *min_length_, length));
  else if (max_length_ && length > *max_length_) errors.push_back(refuse::too_long_text(at, value, *max_length_, length));
  else if (pattern_ && !std::regex_search(text.begin(), text.end(), *pattern_))
    errors.push_back(refuse::no_match(at, value, pattern_text_));
}

void Schema::check_array(json::value& value, const Location& at, std::vector<FieldError>& errors) const {
  json::array& list = value.as_array();
  if (min_items_ && list.size() < *min_items_) errors.push_back(refuse::too_few(at, value, *min_items_, list.size()));
  else if (max_items_ && list.size() > *max_items_) errors.push_back(refuse::too_many(at, value, *max_items_, list.size()));
  if (unique_items_)
    for (std::size_t i = 0; i < list.size(); ++i)
      if (std::find(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(i), list[i]) != list.begin() + static_cast<std::ptrdiff_t>(i))
        errors.push_back(refuse::twice(below(at, static_cast<std::int64_t>(i)), list[i]));
  if (items_)
    for (std::size_t i = 0; i < list.size(); ++i) items_->validate(list[i], below(at, static_cast<std::int64_t>(i)), errors);
}

void Schema::check_object(json::value& value, const Location& at, std::vector<FieldError>& errors) const {
  json::object& members = value.as_object();
  for (const std::string& name : required_)
    if (!members.contains(name) || members.at(name).is_null()) errors.push_back(refuse::missing(below(at, name), value));
  for (const auto& [name, others] : dependent_required_)
    if (members.contains(name))
      for (const std::string& other : others)
        if (!members.contains(other)) errors.push_back(refuse::missing(below(at, other), value));
  for (auto& [name, item] : members) {
    if (const Property* property = find(name)) property->schema->validate(item, below(at, std::string(name)), errors);
    else if (!additional_) {
      std::vector<std::string> known;
      for (const Property& each : properties_) known.push_back(each.name);
      errors.push_back(refuse::unknown_member(below(at, std::string(name)), item, nearest(name, known)));
    }
  }
}

// ---- helpers ----

// Optimal string alignment distance; words are short.
std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = word.size() / 2 + 1;
  for (const std::string& candidate : known) {
    std::vector<std::vector<std::size_t>> d(word.size() + 1, std::vector<std::size_t>(candidate.size() + 1));
    for (std::size_t i = 0; i <= word.size(); ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= candidate.size(); ++j) d[0][j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i)
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        std::size_t change = word[i - 1] == candidate[j - 1] ? 0 : 1;
        d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
        if (i > 1 && j > 1 && word[i - 1] == candidate[j - 2] && word[i - 2] == candidate[j - 1])
          d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    std::size_t distance = d[word.size()][candidate.size()];
    if (distance < best_distance) best_distance = distance, best = candidate;
  }
  return best;
}

std::string shown(const json::value& value) {
  constexpr std::size_t kLongest = 80;
  std::string text = json::serialize(value);
  if (text.size() <= kLongest) return text;
  std::size_t cut = kLongest;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;  // not inside a character
  return text.substr(0, cut) + "…";
}

}  // namespace fluxgate::catalogue

#include "catalogue/schema.h"

#include <charconv>
#include <cmath>

#include "catalogue/nearest.h"
#include "catalogue/refusals.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr std::size_t kNumberTextMax = 24;

bool is_whole(double n) { return std::nearbyint(n) == n && std::abs(n) < 9.2e18; }

unsigned type_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return Schema::null;
    case json::kind::bool_: return Schema::boolean;
    case json::kind::int64:
    case json::kind::uint64: return Schema::integer | Schema::number;
    case json::kind::double_: return Schema::number;  // 4.0 was brought to 4 by coerce
    case json::kind::string: return Schema::string;
    case json::kind::array: return Schema::array;
    case json::kind::object: return Schema::object;
  }
  return 0;
}

std::size_t code_points(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

// "12", "3.5": the number that a text names.
std::optional<json::value> number_in(std::string_view text, bool only_whole) {
  if (text.size() > kNumberTextMax || !decimal_of(text)) return std::nullopt;
  const char* begin = text.data();
  const char* end = begin + text.size();
  std::int64_t whole = 0;
  if (auto [at, error] = std::from_chars(begin, end, whole); error == std::errc{} && at == end) return whole;
  double number = 0;
  if (auto [at, error] = std::from_chars(begin, end, number); error != std::errc{} || at != end)
    return std::nullopt;
  if (!only_whole) return number;
  if (!is_whole(number)) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::string number_text(const json::value& number) {
  if (number.is_int64()) return std::to_string(number.get_int64());
  if (number.is_uint64()) return std::to_string(number.get_uint64());
  return fmt::format("{}", number.get_double());
}

}  // namespace

// ---- bringing into type ----

void Schema::coerce(json::value& value) const {
  if (types_ != 0 && (type_of(value) & types_) == 0) {
    if (value.is_double() && (types_ & integer) && is_whole(value.get_double()))
      value = static_cast<std::int64_t>(value.get_double());
    else if (value.is_string() && (types_ & (integer | number))) {
      if (auto named = number_in(value.get_string(), !(types_ & number))) value = std::move(*named);
    } else if (value.is_string() && (types_ & boolean)) {
      if (value.get_string() == "true" || value.get_string() == "false") value = value.get_string() == "true";
    } else if (value.is_number() && (types_ & string) && words_.coerce_to_text) {
      value = json::string(number_text(value));
    }
    return;
  }
  if (value.is_array() && items_)
    for (json::value& item : value.get_array()) items_->coerce(item);
  if (auto* members = value.if_object()) {
    for (auto member = members->begin(); member != members->end();)
      member = member->value().is_null() ? members->stable_erase(member) : std::next(member);
    for (auto& [name, item] : *members)
      if (const Property* property = find(name)) property->schema->coerce(item);
  }
  for (const auto& part : all_of_) part->coerce(value);
  if (const Schema* branch = branch_for(value)) branch->coerce(value);
}

// ---- asking ----

const Schema::Property* Schema::find(std::string_view name) const {
  for (const Property& property : properties_)
    if (property.name == name) return &property;
  return nullptr;
}

bool Schema::requires_member(std::string_view name) const {
  return std::find(required_.begin(), required_.end(), name) != required_.end();
}

bool Schema::accepts(const json::value& value) const {
  Findings findings(Findings::Mode::silent);
  validate(value, Path{nullptr, "value"}, findings);
  return !findings.any();
}

const Schema* Schema::branch_for(const json::value& value) const {
  if (!if_) return nullptr;
  return (if_->accepts(value) ? then_ : else_).get();
}

bool Schema::has_rules_between_members() const {
  return !dependent_required_.empty() || !all_of_.empty() || if_ != nullptr;
}

void Schema::validate(const json::value& value, const Path& at, Findings& findings) const {
  if (!check_type(value, at, findings)) return;
  if (!enum_.empty() && std::find(enum_.begin(), enum_.end(), value) == enum_.end())
    return findings.add([&] { return refuse::not_one_of(at, value, enum_); });
  if (value.is_number()) check_number(value, at, findings);
  if (value.is_string()) check_text(value, at, findings);
  if (value.is_array()) check_array(value, at, findings);
  if (value.is_object()) check_object(value, at, findings);
  if (has_rules_between_members()) validate_between_members(value, at, findings);
}

void Schema::validate_between_members(const json::value& value, const Path& at, Findings& findings) const {
  if (const auto* members = value.if_object())
    for (const auto& [name, others] : dependent_required_) {
      if (!members->contains(name)) continue;
      for (const std::string& other : others)
        if (!members->contains(other)) findings.add([&] { return refuse::missing(at.member(other), value); });
    }
  for (const auto& part : all_of_) part->validate(value, at, findings);
  if (const Schema* branch = branch_for(value)) branch->validate(value, at, findings);
}

bool Schema::check_type(const json::value& value, const Path& at, Findings& findings) const {
  if (types_ == 0 || (type_of(value) & types_) != 0) return true;
  findings.add([&] { return refuse::wrong_type(at, value, types_); });
  return false;
}

void Schema::check_number(const json::value& value, const Path& at, Findings& findings) const {
  using refuse::Bound, refuse::Hint;
  const double n = value.to_number<double>();
  const Hint hint = words_.above_points_to_batches ? Hint::batch : Hint::none;
  if (minimum_ && n < *minimum_)
    return findings.add([&] { return refuse::below(at, value, *minimum_, Bound::included); });
  if (maximum_ && n > *maximum_)
    return findings.add([&] { return refuse::above(at, value, *maximum_, Bound::included, hint); });
  if (exclusive_minimum_ && n <= *exclusive_minimum_)
    return findings.add([&] { return refuse::below(at, value, *exclusive_minimum_, Bound::excluded); });
  if (exclusive_maximum_ && n >= *exclusive_maximum_)
    return findings.add([&] { return refuse::above(at, value, *exclusive_maximum_, Bound::excluded, hint); });
  if (!multiple_of_) return;
  const auto exact = decimal_of(value);
  if (exact && is_multiple(*exact, *multiple_of_)) return;
  findings.add([&] { return refuse::no_multiple(at, value, step_); });
}

void Schema::check_text(const json::value& value, const Path& at, Findings& findings) const {
  if (!min_length_ && !max_length_) return;
  const std::string_view text = value.get_string();
  const std::size_t length = code_points(text);
  if (min_length_ && length < *min_length_)
    return findings.add([&] { return refuse::too_short_text(at, value, *min_length_, length); });
  if (max_length_ && length > *max_length_)
    return findings.add([&] { return refuse::too_long_text(at, value, *max_length_, length); });
  if (pattern_ && !pattern_->matches(text))
    findings.add([&] { return refuse::no_match(at, value, pattern_->source()); });
}

void Schema::check_array(const json::value& value, const Path& at, Findings& findings) const {
  const json::array& list = value.get_array();
  if (min_items_ && list.size() < *min_items_)
    findings.add([&] { return refuse::too_few(at, value, *min_items_, list.size()); });
  if (max_items_ && list.size() > *max_items_)
    return findings.add([&] { return refuse::too_many(at, value, *max_items_, list.size()); });
  if (unique_items_)
    for (auto item = list.begin(); item != list.end(); ++item)
      if (std::find(list.begin(), item, *item) != item)
        findings.add(
            [&] { return refuse::twice(at.entry(static_cast<std::size_t>(item - list.begin())), *item); });
  if (items_)
    for (std::size_t i = 0; i < list.size(); ++i) items_->validate(list[i], at.entry(i), findings);
}

void Schema::check_object(const json::value& value, const Path& at, Findings& findings) const {
  const json::object& members = value.get_object();
  for (const std::string& name : required_)
    if (const auto* given = members.if_contains(name); !given || given->is_null())
      findings.add([&] { return refuse::missing(at.member(name), value); });
  for (const auto& [name, item] : members) {
    if (item.is_null()) continue;
    if (const Property* property = find(name))
      property->schema->validate(item, at.member(property->name), findings);
    else if (!additional_)
      findings.add([&] { return refuse::unknown_member(at.member(name), item, nearest(name, names_)); });
  }
  if (words_.max_area) check_area(members, at, findings);
}

void Schema::check_area(const json::object& size, const Path& at, Findings& findings) const {
  const auto* width = size.if_contains("width");
  const auto* height = size.if_contains("height");
  if (!width || !height || !width->is_int64() || !height->is_int64()) return;
  std::int64_t area = 0;
  if (__builtin_mul_overflow(width->get_int64(), height->get_int64(), &area) || area > *words_.max_area)
    findings.add([&] { return refuse::too_many_pixels(at, size, *words_.max_area); });
}

}  // namespace fluxgate::catalogue

#include "providers/fal/fal_json.h"

namespace fluxgate::providers::fal {

namespace json = boost::json;

std::optional<json::object> parse_object(std::string_view text) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 24;
  auto value = json::parse(text, error, {}, options);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.as_object());
}

const json::value* member(const json::object& object, std::string_view name) {
  return object.if_contains(name);
}

std::string text_of(const json::object& object, std::string_view name) {
  auto* value = member(object, name);
  return value && value->is_string() ? std::string(value->as_string()) : "";
}

std::optional<double> number_of(const json::object& object, std::string_view name) {
  auto* value = member(object, name);
  if (!value || !value->is_number()) return std::nullopt;
  return value->to_number<double>();
}

const json::object* object_of(const json::object& object, std::string_view name) {
  auto* value = member(object, name);
  return value ? value->if_object() : nullptr;
}

const json::array* array_of(const json::object& object, std::string_view name) {
  auto* value = member(object, name);
  return value ? value->if_array() : nullptr;
}

std::string cut(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return std::string(text.substr(0, limit));
}

}  // namespace fluxgate::providers::fal

// Reading JSON of a stranger: every look-up may find anything.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/json.hpp>

namespace fluxgate::providers::fal {

// The object in `text`, or nullopt: no JSON, another type, or nested deeper than an answer ever is.
std::optional<boost::json::object> parse_object(std::string_view text);

const boost::json::value* member(const boost::json::object& object, std::string_view name);
// "" / nullopt when absent or of another type.
std::string text_of(const boost::json::object& object, std::string_view name);
std::optional<double> number_of(const boost::json::object& object, std::string_view name);
const boost::json::object* object_of(const boost::json::object& object, std::string_view name);
const boost::json::array* array_of(const boost::json::object& object, std::string_view name);

// At most `limit` bytes of `text`, not cut inside a character.
std::string cut(std::string_view text, std::size_t limit);

}  // namespace fluxgate::providers::fal

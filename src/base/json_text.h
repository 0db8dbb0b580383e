// JSON as people expect to read it. Boost.JSON writes every fraction in scientific notation ("1.25E1",
// "0E0"), which is valid and looks broken; here numbers are written shortest, "12.5" and "0".
#pragma once

#include <string>

#include <boost/json/value.hpp>

namespace fluxgate {

std::string json_text(const boost::json::value& value);

}  // namespace fluxgate

// One row of fg_setting as a JSON object with a revision.
#pragma once

#include <cstdint>
#include <string_view>

#include <boost/json.hpp>

#include "base/clock.h"
#include "db/database.h"

namespace fluxgate::db::setting {

// A row's value; empty when it is no object.
boost::json::object parsed(std::string_view value);
// Empty when it was never saved.
boost::json::object load(Tx& tx, std::string_view key);

// Writes `value` with rev + 1 over revision `rev` (0 = must not exist yet). False when the stored revision is
// another; then nothing has changed.
bool save(Tx& tx, std::string_view key, boost::json::object value, std::int64_t rev, Millis now);

// Members of another type count as absent.
std::int64_t number(const boost::json::object& object, std::string_view member, std::int64_t fallback);
bool flag(const boost::json::object& object, std::string_view member, bool fallback);
std::string_view text(const boost::json::object& object, std::string_view member, std::string_view fallback);

}  // namespace fluxgate::db::setting

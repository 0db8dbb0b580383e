// What SQLite's codes mean for the operator, and what to do.
#pragma once

#include <string>
#include <string_view>

#include "base/text.h"
#include "db/sqlite_connection.h"

namespace fluxgate::db {

// `code`: extended or not. `sqlite_says`: for codes that have no words here.
Text explained(int code, const std::string& path, std::string_view sqlite_says);
Text explained(const SqliteFailure& failure, const std::string& path);

}  // namespace fluxgate::db

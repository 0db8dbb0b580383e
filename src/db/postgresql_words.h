// What PostgreSQL's refusals mean for the operator, and what to do.
#pragma once

#include <string>

#include "base/text.h"
#include "db/postgresql_connection.h"

namespace fluxgate::db {

// `in_the_way`: who may hold what was waited for, "psql (pid 123)"; "" = not known.
Text explained(const PgFailure& failure, const std::string& in_the_way = "");

}  // namespace fluxgate::db

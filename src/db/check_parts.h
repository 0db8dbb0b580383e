// The parts of the comparison (check.h) for one table that is there. Each adds to `list`.
#pragma once

#include <string_view>
#include <vector>

#include "db/check.h"

namespace fluxgate::db {

Text lacks_column(std::string_view column);

// check_columns.cpp: of a table of ours.
void column_differences(const Table& table, const Found& found, Dialect dialect, std::vector<Difference>& list);
// Of one of Open WebUI's: what sign-in cannot do without.
void foreign_column_differences(const Table& table, const Found& found, Dialect dialect, std::vector<Difference>& list);

// check_indexes.cpp
void index_differences(const Table& table, const Found& found, std::vector<Difference>& list);
// Primary keys and UNIQUE columns, by whatever index they are kept.
void key_differences(const Table& table, const Found& found, std::vector<Difference>& list);

}  // namespace fluxgate::db

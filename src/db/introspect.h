// What is really in the database, asked of the engine's own catalogue. Works on read-only connections; on
// PostgreSQL only the current schema is looked at.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.h"

namespace fluxgate::db {

enum class Kind { none, table, view };

struct FoundColumn {
  std::string name;
  std::string type;  // as declared, upper case: "VARCHAR(255)", "BIGINT", "TIMESTAMP WITHOUT TIME ZONE"
  bool not_null = false;
};

Kind kind_of(Tx& tx, std::string_view name);
bool has_column(Tx& tx, std::string_view table, std::string_view column);
// In the order of the table; empty when there is none. Views have columns too.
std::vector<FoundColumn> columns_of(Tx& tx, std::string_view table);
// Sorted by name.
std::vector<std::string> table_names(Tx& tx);
bool has_index(Tx& tx, std::string_view index);
// The text a view was made from, as the engine keeps it; "" when there is no such view.
std::string view_sql(Tx& tx, std::string_view view);

// "name" in quotes that both engines take.
std::string quoted(std::string_view name);

}  // namespace fluxgate::db

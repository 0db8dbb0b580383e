// What is really in the database, asked of the engine's own catalogue. Works on read-only connections; on
// PostgreSQL only the current schema is looked at.
#pragma once

#include <map>
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
  std::string preset = "";  // its DEFAULT as the engine writes it: "0", "''::text"
};

struct FoundIndex {
  std::string table;
  bool unique = false;
  bool partial = false;
  bool usable = true;                // not what a failed CREATE INDEX CONCURRENTLY left, nor checked at COMMIT only (PostgreSQL)
  std::vector<std::string> columns;  // "" for an expression
};

Kind kind_of(Tx& tx, std::string_view name);
// Whether no table can be given this name: indexes have theirs from the same stock, and on PostgreSQL sequences and types.
bool is_taken(Tx& tx, std::string_view name);
bool has_column(Tx& tx, std::string_view table, std::string_view column);
// In the order of the table; empty when there is none. Views have columns too.
std::vector<FoundColumn> columns_of(Tx& tx, std::string_view table);
// Sorted by name.
std::vector<std::string> table_names(Tx& tx);
bool has_index(Tx& tx, std::string_view index);

// Everything at once, for comparing.
struct Found {
  std::map<std::string, std::vector<FoundColumn>> tables;
  std::map<std::string, std::string> views;  // to the text it was made from (SQLite) or its comment (PostgreSQL)
  std::map<std::string, std::vector<FoundColumn>> view_columns;  // PostgreSQL only
  std::map<std::string, FoundIndex> indexes;  // by name; keys are among them
  std::vector<std::string> upstream_revisions;  // of alembic_version

  bool has(const std::string& table) const { return tables.contains(table); }
  bool has(const std::string& table, std::string_view column) const;
};
Found look(Tx& tx);

// "name" in quotes that both engines take.
std::string quoted_name(std::string_view name);

}  // namespace fluxgate::db

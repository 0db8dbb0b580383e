// Every table of the database, described once as data. Creation (and later checking and repair) come
// from it, for SQLite and PostgreSQL. DESIGN §5.2; shapes shared with Open WebUI: spec/seed-db.md.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "db/database.h"

namespace fluxgate::db {

enum class ColumnType { text, integer, real, boolean, json, datetime };

struct Column {
  std::string_view name;
  ColumnType type = ColumnType::text;
  std::string_view rest = "";  // "NOT NULL DEFAULT 0", "PRIMARY KEY", … valid on both engines
};

struct Table {
  std::string_view name;
  std::string_view owner;      // "fluxgate", or "openwebui": where theirs came first we add no column
  std::vector<Column> columns;
  std::string_view key = "";   // "PRIMARY KEY (a, b)", when it spans columns
  std::vector<std::string_view> indexes = {};  // complete CREATE … IF NOT EXISTS statements
};

const std::vector<Table>& tables();

// The statements that create one table with its indexes if they are missing.
std::vector<std::string> create_statements(const Table& table, Dialect dialect);

// Creates whatever is missing, in the caller's transaction; changes nothing that exists.
void create_missing(Tx& tx, Millis now);

}  // namespace fluxgate::db

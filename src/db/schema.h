// Every table of the database, described once as data. Creation, checking (db/check.h), repair and the printed SQL
// come from it, for SQLite and PostgreSQL. DESIGN §5.2; shapes shared with Open WebUI: spec/seed-db.md. The published
// views: db/views.h.
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

// "TEXT", "BIGINT" … On PostgreSQL JSON is a type of its own in Open WebUI's tables, whose program demands it.
std::string_view type_name(std::string_view table, ColumnType type, Dialect dialect);

// The statements that create one table with its indexes if they are missing.
std::vector<std::string> create_statements(const Table& table, Dialect dialect);
// The whole schema as one idempotent script, for `sqlite3` and `psql`: tables, indexes, views, versions.
std::string schema_script(Dialect dialect);

// Steps of our own evolution. New tables, columns, indexes and views need none: they come from the description. A
// step is for what a description cannot say, such as moving values; it runs once, before the description is applied,
// without the published views in its way. tests/fixtures/schema/ keeps the schema of every version.
struct Migration {
  std::int64_t version;
  std::string_view what;
  void (*apply)(Tx& tx);  // null when the description says it all
};
const std::vector<Migration>& migrations();
inline constexpr std::int64_t kSchemaVersion = 5;
// What the database says; 0 when it is none of ours.
std::int64_t version_of(Tx& tx);

// Creates whatever is missing and brings what an earlier version made up to date, in the caller's transaction. Throws
// Failure when a newer Fluxgate wrote the database, or when a table stands where a view belongs (db/adopt/).
void create_missing(Tx& tx, Millis now);

// The two halves, for repair: tables with their columns and indexes; then the published views.
void create_tables(Tx& tx, Millis now);
void create_views(Tx& tx);

}  // namespace fluxgate::db

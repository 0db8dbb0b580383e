#include "db/introspect.h"

#include <algorithm>
#include <cctype>

namespace fluxgate::db {
namespace {

bool is_sqlite(Tx& tx) { return tx.dialect() == Dialect::sqlite; }

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::string quoted_name(std::string_view name) {
  std::string text = "\"";
  for (char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

Kind kind_of(Tx& tx, std::string_view name) {
  // SQLite compares names without case.
  auto type = is_sqlite(tx) ? tx.first("SELECT type FROM sqlite_master WHERE type IN ('table', 'view') AND name = $1 COLLATE NOCASE",
                                       {name}, [](const Row& row) { return row.str(0); })
                            : tx.first("SELECT CASE WHEN c.relkind IN ('v', 'm') THEN 'view' ELSE 'table' END FROM pg_class c "
                                       "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() "
                                       "AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relname = $1",
                                       {name}, [](const Row& row) { return row.str(0); });
  if (!type) return Kind::none;
  return *type == "view" ? Kind::view : Kind::table;
}

bool is_taken(Tx& tx, std::string_view name) {
  return tx.number(is_sqlite(tx) ? "SELECT COUNT(*) FROM sqlite_master WHERE type <> 'trigger' AND name = $1 COLLATE NOCASE"
                                 : "SELECT COUNT(*) FROM pg_type t FULL JOIN pg_class c ON c.reltype = t.oid "
                                   "WHERE COALESCE(c.relnamespace, t.typnamespace) = to_regnamespace(quote_ident(current_schema())) "
                                   "AND COALESCE(c.relname, t.typname) = $1",
                   {name}) != 0;
}

std::vector<FoundColumn> columns_of(Tx& tx, std::string_view table) {
  const std::string_view sql =
      is_sqlite(tx) ? "SELECT name, type, \"notnull\" FROM pragma_table_info($1) ORDER BY cid"
                    : "SELECT a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 1 ELSE 0 END "
                      "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
                      "WHERE n.nspname = current_schema() AND c.relname = $1 AND c.relkind IN ('r', 'p', 'f', 'v', 'm') "
                      "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
  return tx.all(sql, {table}, [](const Row& row) { return FoundColumn{row.str(0), upper(row.str(1)), row.flag(2)}; });
}

bool has_column(Tx& tx, std::string_view table, std::string_view column) {
  return std::ranges::any_of(columns_of(tx, table), [&](const FoundColumn& found) { return found.name == column; });
}

std::vector<std::string> table_names(Tx& tx) {
  const std::string_view sql =
      is_sqlite(tx) ? "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
                    : "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                      "WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'f') ORDER BY c.relname";
  return tx.all(sql, {}, [](const Row& row) { return row.str(0); });
}

bool has_index(Tx& tx, std::string_view index) {
  return tx.number(is_sqlite(tx) ? "SELECT COUNT(*) FROM sqlite_master WHERE type = 'index' AND name = $1 COLLATE NOCASE"
                                 : "SELECT COUNT(*) FROM pg_indexes WHERE schemaname = current_schema() AND indexname = $1",
                   {index}) != 0;
}

bool Found::has(const std::string& table, std::string_view column) const {
  auto found = tables.find(table);
  return found != tables.end() && std::ranges::any_of(found->second, [&](const FoundColumn& c) { return c.name == column; });
}

namespace {

// Not of views: SQLite refuses to list those of one that lost its table.
constexpr std::string_view kSqliteColumns =
    "SELECT m.type, m.name, c.name, c.type, c.\"notnull\", COALESCE(c.dflt_value, '') FROM sqlite_master m JOIN pragma_table_info(m.name) c "
    "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY m.name, c.cid";
// Defaults name no column, so the engine need not open (and wait for) a table that another program has locked.
constexpr std::string_view kPostgresqlColumns =
    "SELECT CASE WHEN c.relkind IN ('v', 'm') THEN 'view' ELSE 'table' END, c.relname, a.attname, "
    "format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 1 ELSE 0 END, "
    "COALESCE(CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, 0) END, '') "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
    "WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'f', 'v', 'm') ORDER BY c.relname, a.attnum";
constexpr std::string_view kSqliteViews = "SELECT name, sql FROM sqlite_master WHERE type = 'view'";
constexpr std::string_view kPostgresqlViews =
    "SELECT c.relname, COALESCE(obj_description(c.oid, 'pg_class'), '') FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'v'";
// A row for each column. A key that is SQLite's own row number has no index: it stands here under the name of its table.
constexpr std::string_view kSqliteIndexes =
    "SELECT l.name, m.name, l.\"unique\", l.partial, 1, COALESCE(i.name, ''), i.seqno FROM sqlite_master m JOIN pragma_index_list(m.name) l "
    "JOIN pragma_index_info(l.name) i WHERE m.type = 'table' "
    "UNION ALL SELECT m.name, m.name, 1, 0, 1, c.name, 0 FROM sqlite_master m JOIN pragma_table_info(m.name) c "
    "WHERE m.type = 'table' AND c.pk <> 0 AND upper(c.type) = 'INTEGER' "
    "AND NOT EXISTS (SELECT 1 FROM pragma_table_info(m.name) other WHERE other.pk > 1) ORDER BY 1, 7";
constexpr std::string_view kPostgresqlIndexes =
    "SELECT i.relname, t.relname, CASE WHEN x.indisunique THEN 1 ELSE 0 END, CASE WHEN x.indpred IS NULL THEN 0 ELSE 1 END, "
    "CASE WHEN x.indisvalid AND x.indimmediate THEN 1 ELSE 0 END, COALESCE(a.attname, '') "
    "FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid JOIN pg_namespace n ON n.oid = i.relnamespace "
    "CROSS JOIN generate_series(0, x.indnkeyatts - 1) k "
    "LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k] AND a.attnum > 0 "
    "WHERE n.nspname = current_schema() ORDER BY i.relname, k";

}  // namespace

Found look(Tx& tx) {
  const bool sqlite = is_sqlite(tx);
  Found found;
  tx.each(sqlite ? kSqliteViews : kPostgresqlViews, {}, [&](const Row& row) { found.views[row.str(0)] = row.str(1); });
  tx.each(sqlite ? kSqliteColumns : kPostgresqlColumns, {}, [&](const Row& row) {
    auto& columns = row.text(0) == "view" ? found.view_columns[row.str(1)] : found.tables[row.str(1)];
    if (!row.is_null(2)) columns.push_back({row.str(2), upper(row.str(3)), row.flag(4), row.str(5)});
  });
  tx.each(sqlite ? kSqliteIndexes : kPostgresqlIndexes, {}, [&](const Row& row) {
    FoundIndex& index = found.indexes[row.str(0)];
    index.table = row.str(1);
    index.unique = row.flag(2);
    index.partial = row.flag(3);
    index.usable = row.flag(4);
    index.columns.push_back(row.str(5));
  });
  if (found.has("alembic_version", "version_num"))
    found.upstream_revisions = tx.all("SELECT version_num FROM alembic_version", {}, [](const Row& row) { return row.str(0); });
  return found;
}

}  // namespace fluxgate::db

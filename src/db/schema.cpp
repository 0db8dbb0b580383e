#include "db/schema.h"

#include <set>

#include <fmt/format.h>

#include "db/check.h"
#include "db/tables.h"
#include "db/turns.h"
#include "db/views.h"

namespace fluxgate::db {
namespace {

void mend(Tx& tx, const std::vector<Difference>& differences) {
  for (const Difference& difference : differences)
    for (const std::string& statement : difference.statements) tx.exec(statement);
}

bool is_openwebuis(std::string_view name) {
  static const std::set<std::string_view> names = [] {
    std::set<std::string_view> found{"chat", "tag"};
    for (const Table& table : tables())
      if (table.owner == "openwebui") found.insert(table.name);
    return found;
  }();
  return names.contains(name);
}

// Nodes that start together would each find everything missing.
void alone(Tx& tx) {
  if (tx.dialect() != Dialect::postgresql) return;
  tx.exec("SET LOCAL statement_timeout = 0");  // an index on a big table takes its time; the others wait for it
  take_turns(tx, "schema");
}

// Brings what an earlier version made to where the description can be applied.
void migrate(Tx& tx) {
  const std::int64_t version = version_of(tx);
  if (version > kSchemaVersion)
    throw Failure(fmt::format("a newer Fluxgate wrote this database (schema {}, this program knows {}): use that version or a later one",
                              version, kSchemaVersion));
  if (version == kSchemaVersion) return;
  if (version != 0 && tx.dialect() == Dialect::sqlite)  // which lets no table be changed under a view that names it
    for (const View& view : views(tx.dialect()))
      if (kind_of(tx, view.name) == Kind::view) tx.exec(fmt::format("DROP VIEW {}", quoted_name(view.name)));
  for (const Migration& migration : migrations())
    if (version != 0 && migration.version > version && migration.apply) migration.apply(tx);
}

}  // namespace

const std::vector<Table>& tables() {
  static const std::vector<Table> all = [] {
    std::vector<Table> list = task_tables();
    for (auto part : {money_tables(), people_tables(), system_tables(), storage_tables(), shared_tables()})
      for (auto& table : part) list.push_back(std::move(table));
    return list;
  }();
  return all;
}

const std::vector<Migration>& migrations() {
  static const std::vector<Migration> list{
      {1, "the first tables", nullptr},
      {2, "folders, channels and the published views", nullptr},
      {3, "the oldest of a line by an index that is used for nothing else", [](Tx& tx) { tx.exec("DROP INDEX IF EXISTS fg_task_oldest"); }},
      {4, "old tasks under their old ids in the published views", nullptr},
      {5, "where direct uploads lie, and what their clients said of uploads", nullptr},
  };
  return list;
}

std::string_view type_name(std::string_view table, ColumnType type, Dialect dialect) {
  const bool sqlite = dialect == Dialect::sqlite;
  switch (type) {
    case ColumnType::text: return "TEXT";
    case ColumnType::integer: return "BIGINT";
    case ColumnType::real: return sqlite ? "REAL" : "DOUBLE PRECISION";
    case ColumnType::boolean: return "BOOLEAN";
    case ColumnType::json: return sqlite || is_openwebuis(table) ? "JSON" : "TEXT";
    case ColumnType::datetime: return sqlite ? "DATETIME" : "TIMESTAMP";
  }
  return "TEXT";
}

std::int64_t version_of(Tx& tx) {
  if (kind_of(tx, "fg_migration") == Kind::none) return 0;
  return tx.number("SELECT MAX(version) FROM fg_migration");
}

std::vector<std::string> create_statements(const Table& table, Dialect dialect) {
  std::string columns;
  for (const Column& column : table.columns) {
    if (!columns.empty()) columns += ", ";
    columns += fmt::format("\"{}\" {}", column.name, type_name(table.name, column.type, dialect));
    if (!column.rest.empty()) columns += fmt::format(" {}", column.rest);
  }
  if (!table.key.empty()) columns += fmt::format(", {}", table.key);
  std::vector<std::string> statements{fmt::format("CREATE TABLE IF NOT EXISTS \"{}\" ({})", table.name, columns)};
  for (std::string_view index : table.indexes) statements.emplace_back(index);
  return statements;
}

std::string schema_script(Dialect dialect) {
  const bool sqlite = dialect == Dialect::sqlite;
  std::string script = fmt::format("-- The schema of Fluxgate, version {}, for {}. Safe to run again.\n"
                                   "-- For an empty database, or one of Fluxgate's: `fluxgate db repair` takes over those of others.\n"
                                   "BEGIN;\n", kSchemaVersion, sqlite ? "SQLite" : "PostgreSQL");
  for (const Table& table : tables())
    for (const std::string& statement : create_statements(table, dialect)) script += statement + ";\n";
  for (const View& view : views(dialect))
    for (const std::string& statement : create_statements(view, dialect)) script += statement + ";\n";
  const std::string_view now = sqlite ? "CAST(strftime('%s', 'now') AS INTEGER) * 1000" : "CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT)";
  // Not where an earlier version is: the steps from it are not SQL alone, serving takes them.
  std::string versions;
  for (const Migration& migration : migrations())
    versions += fmt::format("{}SELECT {} AS version", versions.empty() ? "" : " UNION ALL ", migration.version);
  return script + fmt::format("INSERT INTO fg_migration (version, applied_at) SELECT version, {} FROM ({}) versions "
                              "WHERE NOT EXISTS (SELECT 1 FROM fg_migration);\nCOMMIT;\n", now, versions);
}

void create_tables(Tx& tx, Millis now) {
  alone(tx);
  migrate(tx);
  // Twice: a table that is new can be what other columns wait for (check.h).
  for (int round = 0; round < 2; ++round) mend(tx, table_differences(look(tx), tx.dialect()));
  for (const Migration& migration : migrations())
    tx.exec("INSERT INTO fg_migration (version, applied_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", {migration.version, now});
}

void create_views(Tx& tx) {
  const auto differences = view_differences(look(tx), tx.dialect());
  for (const Difference& difference : differences)
    if (difference.statements.empty()) throw Failure(fmt::format("{}: {}", difference.table, difference.text.en));
  mend(tx, differences);
}

void create_missing(Tx& tx, Millis now) {
  create_tables(tx, now);
  create_views(tx);
}

}  // namespace fluxgate::db

#include "db/schema.h"

#include <fmt/format.h>

#include "db/tables.h"
#include "db/turns.h"

namespace fluxgate::db {
namespace {

std::string_view type_name(ColumnType type, Dialect dialect) {
  switch (type) {
    case ColumnType::text: return "TEXT";
    case ColumnType::integer: return "BIGINT";
    case ColumnType::real: return dialect == Dialect::sqlite ? "REAL" : "DOUBLE PRECISION";
    case ColumnType::boolean: return "BOOLEAN";
    case ColumnType::json: return dialect == Dialect::sqlite ? "JSON" : "TEXT";
    case ColumnType::datetime: return dialect == Dialect::sqlite ? "DATETIME" : "TIMESTAMP";
  }
  return "TEXT";
}

constexpr int kSchemaVersion = 1;

}  // namespace

const std::vector<Table>& tables() {
  static const std::vector<Table> all = [] {
    std::vector<Table> list = task_tables();
    for (auto part : {money_tables(), people_tables(), system_tables(), shared_tables()})
      for (auto& table : part) list.push_back(std::move(table));
    return list;
  }();
  return all;
}

std::vector<std::string> create_statements(const Table& table, Dialect dialect) {
  std::string columns;
  for (const Column& column : table.columns) {
    if (!columns.empty()) columns += ", ";
    columns += fmt::format("\"{}\" {}", column.name, type_name(column.type, dialect));
    if (!column.rest.empty()) columns += fmt::format(" {}", column.rest);
  }
  if (!table.key.empty()) columns += fmt::format(", {}", table.key);
  std::vector<std::string> statements{fmt::format("CREATE TABLE IF NOT EXISTS \"{}\" ({})", table.name, columns)};
  for (std::string_view index : table.indexes) statements.emplace_back(index);
  return statements;
}

void create_missing(Tx& tx, Millis now) {
  // Nodes that start together would each find everything missing.
  if (tx.dialect() == Dialect::postgresql) {
    tx.exec("SET LOCAL statement_timeout = 0");  // an index on a big table takes its time; the others wait for it
    take_turns(tx, "schema");
  }
  for (const Table& table : tables())
    for (const std::string& statement : create_statements(table, tx.dialect())) tx.exec(statement);
  tx.exec("INSERT INTO fg_migration (version, applied_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
          {kSchemaVersion, now});
}

}  // namespace fluxgate::db

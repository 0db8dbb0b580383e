#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "db/check_parts.h"
#include "db/views.h"

namespace fluxgate::db {
namespace {

enum class Class { text, integer, real, date, other };

Class class_of(ColumnType type) {
  switch (type) {
    case ColumnType::text:
    case ColumnType::json: return Class::text;
    case ColumnType::integer:
    case ColumnType::boolean: return Class::integer;
    case ColumnType::real: return Class::real;
    case ColumnType::datetime: return Class::date;
  }
  return Class::other;
}

Class class_of(std::string_view declared, Dialect dialect) {
  const auto has = [&](std::string_view word) { return declared.contains(word); };
  // These PostgreSQL compares with no text, and turns by the time zone of the session.
  if (dialect == Dialect::postgresql && (has("UUID") || has("WITH TIME ZONE"))) return Class::other;
  if (has("CHAR") || has("TEXT") || has("JSON") || has("CLOB") || has("UUID")) return Class::text;
  if (has("BOOL") || has("INT") || has("SERIAL")) return Class::integer;
  if (has("REAL") || has("FLOA") || has("DOUB") || has("NUMERIC") || has("DECIMAL")) return Class::real;
  if (has("DATE") || has("TIME")) return Class::date;
  return Class::other;
}

// A key cannot be added, and ours never lacked one.
Difference foreign_table(std::string_view table, std::string_view column) {
  return {std::string(table),
          {fmt::format("the column {0} is missing, so it is another table under this name. Rename it: ALTER TABLE {1} RENAME TO my_{1}", column, table),
           fmt::format("缺少列 {0}，是另一张同名的表。请重命名：ALTER TABLE {1} RENAME TO my_{1}", column, table)},
          {}, false, false, true};
}

// PostgreSQL only: SQLite changes no column, and keeps any value in any.
std::string alter_column(std::string_view table, std::string_view column, std::string_view how) {
  return fmt::format("ALTER TABLE {} ALTER COLUMN {} {}", quoted_name(table), quoted_name(column), how);
}

Difference other_type(std::string_view table, const Column& column, const FoundColumn& there, Dialect dialect) {
  const std::string_view expected = type_name(table, column.type, dialect);
  Difference difference{std::string(table),
                        {fmt::format("the column {} has the type {}, expected {}", column.name, there.type, expected),
                         fmt::format("列 {} 的类型为 {}，应为 {}", column.name, there.type, expected)},
                        {}};
  if (dialect == Dialect::sqlite) return difference;
  const std::string name = quoted_name(column.name);
  std::string value;
  if (column.type == ColumnType::text) {
    value = fmt::format("CAST({} AS TEXT)", name);
  } else if (column.type == ColumnType::datetime && there.type.contains("WITH TIME ZONE")) {
    value = fmt::format("{} AT TIME ZONE 'UTC'", name);
  } else if (column.type == ColumnType::datetime && class_of(there.type, dialect) == Class::text) {
    value = fmt::format("CAST(CAST({} AS TEXT) AS TIMESTAMP)", name);
    difference.hindrance = fmt::format("SELECT {0} FROM {1} WHERE CAST({0} AS TEXT) !~ '^[0-9]{{4}}-[01][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-5][0-9]:[0-5][0-9]([.][0-9]+)?(Z|[+]00(:?00)?)?)?$'",
                                       name, quoted_name(table));
  } else if (column.type == ColumnType::integer) {
    value = fmt::format("CAST(CAST({} AS TEXT) AS BIGINT)", name);
    difference.hindrance = fmt::format("SELECT {0} FROM {1} WHERE CAST({0} AS TEXT) !~ '^-?[0-9]{{1,18}}$'", name, quoted_name(table));
  } else {
    return difference;
  }
  if (table.starts_with("fg_"))  // no column is changed under a view that names it
    for (const View& view : views(dialect)) difference.statements.push_back(fmt::format("DROP VIEW IF EXISTS {}", quoted_name(view.name)));
  difference.statements.push_back(alter_column(table, column.name, fmt::format("TYPE {} USING {}", expected, value)));
  return difference;
}

// "1" of "NOT NULL DEFAULT 1".
std::string_view preset_of(const Column& column) {
  constexpr std::string_view kDefault = "DEFAULT ";
  const auto at = column.rest.find(kDefault);
  return at == std::string_view::npos ? "" : column.rest.substr(at + kDefault.size());
}

void rule_differences(std::string_view table, const Column& column, const FoundColumn& there, Dialect dialect, std::vector<Difference>& list) {
  const bool postgresql = dialect == Dialect::postgresql;
  const std::string name(table);
  const std::string_view preset = preset_of(column);
  if (!preset.empty() && there.preset.substr(0, there.preset.find("::")) != preset) {
    list.push_back({name, {fmt::format("the column {} lacks its default {}", column.name, preset), fmt::format("列 {} 缺少默认值 {}", column.name, preset)}, {}});
    if (postgresql) list.back().statements = {alter_column(table, column.name, fmt::format("SET DEFAULT {}", preset))};
  }
  if (!column.rest.contains("NOT NULL") || there.not_null) return;
  list.push_back({name, {fmt::format("the column {} may be NULL, expected NOT NULL", column.name), fmt::format("列 {} 允许 NULL，应为 NOT NULL", column.name)}, {}});
  if (!postgresql) return;
  list.back().statements = {alter_column(table, column.name, "SET NOT NULL")};
  list.back().hindrance = fmt::format("SELECT * FROM {} WHERE {} IS NULL", quoted_name(table), quoted_name(column.name));
}

// Without these there is nobody to sign in, and no value that would be right for all.
struct Needed {
  std::string_view table, column;
};
constexpr std::array<Needed, 7> kNeeded{{{"user", "id"}, {"user", "name"}, {"user", "email"}, {"user", "role"},
                                         {"auth", "id"}, {"auth", "email"}, {"auth", "password"}}};

bool is_needed(std::string_view table, std::string_view column) {
  return std::ranges::any_of(kNeeded, [&](const Needed& needed) { return needed.table == table && needed.column == column; });
}

Difference lost_column(std::string_view table, const Column& column, Dialect dialect) {
  const std::string add = fmt::format("ALTER TABLE {} ADD COLUMN {} {}", quoted_name(table), quoted_name(column.name), type_name(table, column.type, dialect));
  return {std::string(table),
          {fmt::format("the column {} is missing, without which nobody can sign in. Put a backup back, or add it and its values: {}", column.name, add),
           fmt::format("缺少列 {}，无法登录。请恢复备份，或补上该列及其值：{}", column.name, add)},
          {}, false, false, true};
}

}  // namespace

Text lacks_column(std::string_view column) {
  return {fmt::format("the column {} is missing", column), fmt::format("缺少列 {}", column)};
}

void column_differences(const Table& table, const Found& found, Dialect dialect, std::vector<Difference>& list) {
  const std::string name(table.name);
  const auto& there = found.tables.at(name);
  for (const Column& column : table.columns) {
    const auto match = std::ranges::find(there, column.name, &FoundColumn::name);
    if (match == there.end()) {
      if (std::string sql = add_column(table.name, column, dialect); !sql.empty()) list.push_back({name, lacks_column(column.name), {std::move(sql)}});
      else list.push_back(foreign_table(table.name, column.name));
      continue;
    }
    if (class_of(match->type, dialect) != class_of(column.type)) list.push_back(other_type(table.name, column, *match, dialect));
    // The fork's own tables were made by many hands, and are never written without a value.
    if (table.name.starts_with("fg_")) rule_differences(table.name, column, *match, dialect, list);
  }
}

void foreign_column_differences(const Table& table, const Found& found, Dialect dialect, std::vector<Difference>& list) {
  if (table.name != "user" && table.name != "auth") return;
  const auto& there = found.tables.at(std::string(table.name));
  for (const Column& column : table.columns) {
    const auto match = std::ranges::find(there, column.name, &FoundColumn::name);
    if (match == there.end()) {
      if (is_needed(table.name, column.name)) list.push_back(lost_column(table.name, column, dialect));
    } else if (dialect == Dialect::postgresql && class_of(match->type, dialect) != class_of(column.type)) {
      list.push_back(other_type(table.name, column, *match, dialect));
    }
  }
}

}  // namespace fluxgate::db

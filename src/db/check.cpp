#include "db/check.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "db/views.h"

namespace fluxgate::db {
namespace {

constexpr auto kText = ColumnType::text;
constexpr auto kBool = ColumnType::boolean;
constexpr auto kJson = ColumnType::json;

// Open WebUI's own migrations in their order, as far as they bring what we look at.
constexpr std::array<std::string_view, 16> kUpstreamOrder{
    "7e5b5dc7342b", "ca81bd47c050", "c0fbf31ca0db", "6a39f3d8e55c", "242a2047eae0", "1af9b942657b", "3ab32c4b8f59", "c69f45358db4",
    "c29facfe716b", "af906e964978", "4ace53fd72c8", "922e7a387820", "57c599a3cb57", "7826ab40b532", "3781e22d8b01", "d31026856c01"};

constexpr std::string_view kMakesFolder = "c69f45358db4", kMakesChannel = "57c599a3cb57";

std::ptrdiff_t place(std::string_view revision) { return std::ranges::find(kUpstreamOrder, revision) - kUpstreamOrder.begin(); }

// Whether Open WebUI's migrations will still come to `revision`. They never will where they are stuck: at a table they
// would create and that a repair script of the fork made before them (spec/seed-db.md §2, D and E).
bool still_to_come(const Found& found, std::string_view revision) {
  return std::ranges::any_of(found.upstream_revisions, [&](const std::string& at) {
    if (place(at) == std::ssize(kUpstreamOrder) || place(at) >= place(revision)) return false;
    const auto stuck_at = [&](std::string_view step, const char* table) {
      return place(at) < place(step) && place(step) <= place(revision) && found.has(table);
    };
    return !stuck_at(kMakesFolder, "folder") && !stuck_at(kMakesChannel, "channel");
  });
}

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

Class class_of(std::string_view declared) {
  const auto has = [&](std::string_view word) { return declared.contains(word); };
  if (has("CHAR") || has("TEXT") || has("JSON") || has("CLOB") || has("UUID")) return Class::text;
  if (has("BOOL") || has("INT") || has("SERIAL")) return Class::integer;
  if (has("REAL") || has("FLOA") || has("DOUB") || has("NUMERIC") || has("DECIMAL")) return Class::real;
  if (has("DATE") || has("TIME")) return Class::date;
  return Class::other;
}

Text missing_column(std::string_view column) {
  return {fmt::format("the column {} is missing", column), fmt::format("缺少列 {}", column)};
}

// A key cannot be added, and ours never lacked one.
Difference foreign_table(std::string_view table, std::string_view column) {
  return {std::string(table),
          {fmt::format("the column {0} is missing, so it is another table under this name. Rename it: ALTER TABLE {1} RENAME TO my_{1}", column, table),
           fmt::format("缺少列 {0}，是另一张同名的表。请重命名：ALTER TABLE {1} RENAME TO my_{1}", column, table)},
          {}, false, false, true};
}

void column_differences(const Table& table, const Found& found, Dialect dialect, std::vector<Difference>& list) {
  const std::string name(table.name);
  for (const Column& column : table.columns) {
    const auto& there = found.tables.at(name);
    const auto match = std::ranges::find(there, column.name, &FoundColumn::name);
    if (match == there.end()) {
      if (std::string sql = add_column(table.name, column, dialect); !sql.empty()) list.push_back({name, missing_column(column.name), {std::move(sql)}});
      else list.push_back(foreign_table(table.name, column.name));
    } else if (class_of(match->type) != class_of(column.type)) {
      list.push_back({name,
                      {fmt::format("the column {} has the type {}, expected {}", column.name, match->type, type_name(table.name, column.type, dialect)),
                       fmt::format("列 {} 的类型为 {}，应为 {}", column.name, match->type, type_name(table.name, column.type, dialect))},
                      {}});
    }
  }
}

// The third word from the end of "CREATE INDEX IF NOT EXISTS name ON …".
std::string index_name(std::string_view statement) {
  constexpr std::string_view kBefore = "IF NOT EXISTS ";
  statement.remove_prefix(statement.find(kBefore) + kBefore.size());
  return std::string(statement.substr(0, statement.find(' ')));
}

void index_differences(const Table& table, const Found& found, std::vector<Difference>& list) {
  for (std::string_view statement : table.indexes) {
    const std::string name = index_name(statement);
    if (!found.indexes.contains(name))
      list.push_back({std::string(table.name),
                      {fmt::format("the index {} is missing", name), fmt::format("缺少索引 {}", name)},
                      {std::string(statement)},
                      false,
                      table.owner == "openwebui"});
  }
}

void late_column_differences(const Found& found, Dialect dialect, std::vector<Difference>& list) {
  for (const LateColumn& late : late_columns()) {
    const std::string table(late.table);
    if (!found.has(table) || found.has(table, late.column.name) || still_to_come(found, late.revision)) continue;
    list.push_back({table, missing_column(late.column.name), {add_column(late.table, late.column, dialect)}});
  }
}

}  // namespace

const std::vector<LateColumn>& late_columns() {
  static const std::vector<LateColumn> list{
      {"chat", {"pinned", kBool}, "1af9b942657b"},
      {"chat", {"meta", kJson, "NOT NULL DEFAULT '{}'"}, "1af9b942657b"},
      {"tag", {"meta", kJson}, "1af9b942657b"},
      {"chat", {"folder_id", kText}, kMakesFolder},
      {"folder", {"parent_id", kText}, kMakesFolder},
      {"folder", {"items", kJson}, kMakesFolder},
      {"folder", {"meta", kJson}, kMakesFolder},
      {"folder", {"is_expanded", kBool, "NOT NULL DEFAULT FALSE"}, kMakesFolder},
      {"folder", {"data", kJson}, "d31026856c01"},
      {"channel", {"type", kText}, "3781e22d8b01"},
      {"message", {"parent_id", kText}, "3781e22d8b01"},
  };
  return list;
}

std::string add_column(std::string_view table, const Column& column, Dialect dialect) {
  std::string rest(column.rest);
  if (rest.contains("PRIMARY KEY") || rest.contains("UNIQUE")) return "";
  // The rows that are there need a value, and SQLite takes constants only.
  constexpr std::string_view kNow = "CURRENT_TIMESTAMP", kThen = "'1970-01-01 00:00:00'";
  if (const auto at = rest.find(kNow); at != std::string::npos && dialect == Dialect::sqlite) rest.replace(at, kNow.size(), kThen);
  if (rest.contains("NOT NULL") && !rest.contains("DEFAULT")) {
    rest += " DEFAULT ";
    switch (column.type) {
      case ColumnType::text: rest += "''"; break;
      case ColumnType::json: rest += "'{}'"; break;
      case ColumnType::boolean: rest += "FALSE"; break;
      case ColumnType::datetime: rest += kThen; break;
      case ColumnType::integer:
      case ColumnType::real: rest += "0"; break;
    }
  }
  return fmt::format("ALTER TABLE {} ADD COLUMN {} {}{}{}", quoted_name(table), quoted_name(column.name), type_name(table, column.type, dialect),
                     rest.empty() ? "" : " ", rest);
}

std::vector<Difference> table_differences(const Found& found, Dialect dialect) {
  std::vector<Difference> list;
  for (const Table& table : tables()) {
    if (!found.has(std::string(table.name))) {
      list.push_back({std::string(table.name), {"the table is missing", "缺少该表"}, create_statements(table, dialect), true});
      continue;
    }
    if (table.owner != "openwebui") column_differences(table, found, dialect, list);
    index_differences(table, found, list);
  }
  late_column_differences(found, dialect, list);
  return list;
}

std::vector<Difference> view_differences(const Found& found, Dialect dialect) {
  std::vector<Difference> list;
  for (const View& view : views(dialect)) {
    const auto there = found.views.find(view.name);
    if (found.has(view.name)) {
      list.push_back({view.name, {"a table stands where a view belongs: it is of the old platform, or was made by hand", "此处应为视图，却是一张表（旧平台的表，或手工创建）"}, {}});
      continue;
    }
    if (there == found.views.end()) {
      list.push_back({view.name, {"the view is missing", "缺少该视图"}, create_statements(view, dialect)});
      continue;
    }
    const auto columns = found.view_columns.find(view.name);
    const bool has_columns = columns == found.view_columns.end() || std::ranges::equal(columns->second, view.columns, {}, &FoundColumn::name);
    if (has_columns && there->second == made_from(view, dialect)) continue;
    auto statements = create_statements(view, dialect);
    // Ours of an earlier version is replaced in its place; one that somebody else made may have columns of other types.
    if (!has_columns || there->second.empty()) statements.insert(statements.begin(), fmt::format("DROP VIEW IF EXISTS {}", quoted_name(view.name)));
    list.push_back({view.name, {"the view is another than described", "该视图与定义不一致"}, std::move(statements)});
  }
  return list;
}

std::vector<Difference> all_differences(const Found& found, Dialect dialect) {
  auto list = table_differences(found, dialect);
  for (Difference& difference : view_differences(found, dialect)) list.push_back(std::move(difference));
  return list;
}

}  // namespace fluxgate::db

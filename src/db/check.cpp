#include "db/check.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "db/check_parts.h"
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

constexpr std::string_view kFirst = "7e5b5dc7342b", kMakesFolder = "c69f45358db4", kMakesChannel = "57c599a3cb57";

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

void late_column_differences(const Found& found, Dialect dialect, std::vector<Difference>& list) {
  for (const LateColumn& late : late_columns()) {
    const std::string table(late.table);
    if (!found.has(table) || found.has(table, late.column.name) || still_to_come(found, late.revision)) continue;
    list.push_back({table, lacks_column(late.column.name), {add_column(late.table, late.column, dialect)}});
  }
}

}  // namespace

const std::vector<LateColumn>& late_columns() {
  constexpr auto kInt = ColumnType::integer;
  static const std::vector<LateColumn> list{
      // It has had these from the beginning: who lacks one lost it, and nobody can sign in.
      {"user", {"profile_image_url", kText, "NOT NULL DEFAULT '/user.png'"}, kFirst},
      {"user", {"created_at", kInt, "NOT NULL DEFAULT 0"}, kFirst},
      {"user", {"updated_at", kInt, "NOT NULL DEFAULT 0"}, kFirst},
      {"user", {"last_active_at", kInt, "NOT NULL DEFAULT 0"}, kFirst},
      {"user", {"settings", kText}, kFirst},
      {"user", {"info", kText}, kFirst},
      {"auth", {"active", kBool, "NOT NULL DEFAULT TRUE"}, kFirst},
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
    if (table.owner != "openwebui") {
      column_differences(table, found, dialect, list);
      key_differences(table, found, list);
    } else {
      foreign_column_differences(table, found, dialect, list);
    }
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

void hinder(Tx& tx, std::vector<Difference>& differences) {
  for (Difference& difference : differences) {
    if (difference.hindrance.empty()) continue;
    const std::int64_t rows = tx.number(fmt::format("SELECT COUNT(*) FROM ({}) hindrance", difference.hindrance));
    if (rows == 0) continue;
    difference.text.en += fmt::format(", and {} rows are in the way of mending it. See to them first: {}", rows, difference.hindrance);
    difference.text.zh += fmt::format("，且有 {} 行妨碍修复，请先处理：{}", rows, difference.hindrance);
    difference.statements.clear();
    difference.foreign = true;
  }
}

}  // namespace fluxgate::db

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "db/check_parts.h"

namespace fluxgate::db {
namespace {

// What one of the description's statements says: "CREATE UNIQUE INDEX IF NOT EXISTS name ON table (a, LOWER(b)) WHERE …".
struct Wanted {
  std::string name, condition;  // " WHERE …" or ""
  bool unique = false;
  std::vector<std::string> columns;  // "" for an expression
};

std::vector<std::string> columns_of(std::string_view list) {
  std::vector<std::string> columns(1);
  int depth = 0;
  bool expression = false;
  for (const char c : list) {
    if (c == '(') {
      ++depth;
      expression = true;
    }
    if (c == ')') --depth;
    if (c == ',' && depth == 0) {
      columns.emplace_back();
      expression = false;
    } else if (c != ' ') {
      columns.back() += c;
    }
    if (expression) columns.back().clear();
  }
  return columns;
}

Wanted parsed(std::string_view statement) {
  constexpr std::string_view kBefore = "IF NOT EXISTS ";
  Wanted wanted;
  wanted.unique = statement.starts_with("CREATE UNIQUE ");
  statement.remove_prefix(statement.find(kBefore) + kBefore.size());
  wanted.name = statement.substr(0, statement.find(' '));
  const auto condition = statement.find(" WHERE ");
  if (condition != std::string_view::npos) wanted.condition = statement.substr(condition);
  statement = statement.substr(0, condition);
  const auto open = statement.find('('), close = statement.rfind(')');
  wanted.columns = columns_of(statement.substr(open + 1, close - open - 1));
  return wanted;
}

// The values that stand there more than once. "" when the columns are not all there yet: then nothing does.
std::string twice(const std::string& table, const std::vector<std::string>& columns, std::string_view condition, const Found& found) {
  if (!std::ranges::all_of(columns, [&](const std::string& column) { return found.has(table, column); })) return "";
  std::string where(condition);
  for (const std::string& column : columns) where += fmt::format("{}{} IS NOT NULL", where.empty() ? " WHERE " : " AND ", column);
  const std::string list = fmt::format("{}", fmt::join(columns, ", "));
  return fmt::format("SELECT {0}, COUNT(*) FROM {1}{2} GROUP BY {0} HAVING COUNT(*) > 1", list, quoted_name(table), where);
}

Difference of_another_table(const Table& table, const std::string& name, const std::string& owner) {
  return {std::string(table.name),
          {fmt::format("the index {0} is missing, and one of this name stands on the table {1}. Rename it or remove it: DROP INDEX {0}", name, owner),
           fmt::format("缺少索引 {0}，且表 {1} 上有同名索引。请将其重命名或删除：DROP INDEX {0}", name, owner)},
          {}, false, false, true};
}

// "PRIMARY KEY (a, b)" or the columns that say so themselves, each by itself.
std::vector<std::vector<std::string>> keys_of(const Table& table) {
  std::vector<std::vector<std::string>> keys;
  if (const auto open = table.key.find('('); open != std::string_view::npos)
    keys.push_back(columns_of(table.key.substr(open + 1, table.key.rfind(')') - open - 1)));
  for (const Column& column : table.columns)
    if (column.rest.contains("PRIMARY KEY") || column.rest.contains("UNIQUE")) keys.push_back({std::string(column.name)});
  return keys;
}

bool keeps_unique(const FoundIndex& index, std::string_view table, const std::vector<std::string>& columns) {
  return index.table == table && index.unique && !index.partial && index.usable && std::ranges::is_permutation(index.columns, columns);
}

}  // namespace

void index_differences(const Table& table, const Found& found, std::vector<Difference>& list) {
  const std::string name(table.name);
  for (std::string_view statement : table.indexes) {
    const Wanted wanted = parsed(statement);
    const std::string hindrance = wanted.unique ? twice(name, wanted.columns, wanted.condition, found) : "";
    const auto there = found.indexes.find(wanted.name);
    if (there == found.indexes.end()) {
      list.push_back({name,
                      {fmt::format("the index {} is missing", wanted.name), fmt::format("缺少索引 {}", wanted.name)},
                      {std::string(statement)}, false, table.owner == "openwebui", false, hindrance});
    } else if (there->second.table != name && !there->second.table.contains("_legacy")) {
      list.push_back(of_another_table(table, wanted.name, there->second.table));
    // A table that was set aside has no more need of its index.
    } else if (const FoundIndex& index = there->second; index.table != name || index.unique != wanted.unique || index.partial == wanted.condition.empty() || !index.usable ||
                                                        index.columns != wanted.columns) {
      list.push_back({name,
                      {fmt::format("the index {} is another than described", wanted.name), fmt::format("索引 {} 与定义不一致", wanted.name)},
                      {fmt::format("DROP INDEX {}", quoted_name(wanted.name)), std::string(statement)}, false, false, false, hindrance});
    }
  }
}

void key_differences(const Table& table, const Found& found, std::vector<Difference>& list) {
  const std::string name(table.name);
  for (const auto& columns : keys_of(table)) {
    if (std::ranges::any_of(found.indexes, [&](const auto& index) { return keeps_unique(index.second, name, columns); })) continue;
    const std::string what = fmt::format("{}", fmt::join(columns, ", "));
    // An index does what a key does, and SQLite gives no key to a table that is there.
    list.push_back({name,
                    {fmt::format("the key ({}) is missing", what), fmt::format("缺少键（{}）", what)},
                    {fmt::format("CREATE UNIQUE INDEX IF NOT EXISTS {}_{}_once ON {} ({})", name, fmt::join(columns, "_"), quoted_name(name), what)},
                    false, false, false, twice(name, columns, "", found)});
  }
}

}  // namespace fluxgate::db

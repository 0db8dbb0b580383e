#include "db/remarks.h"

#include <algorithm>
#include <cctype>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "db/introspect.h"
#include "db/schema.h"
#include "db/views.h"

namespace fluxgate::db {
namespace {

using adopt::Level;
using adopt::Line;
using adopt::Lines;

bool is_postgresql(Tx& tx) { return tx.dialect() == Dialect::postgresql; }

bool is_table_of_ours(std::string_view name) { return std::ranges::find(tables(), name, &Table::name) != tables().end(); }
bool is_published(Tx& tx, std::string_view name) { return std::ranges::find(views(tx.dialect()), name, &View::name) != views(tx.dialect()).end(); }
bool is_forks(std::string_view name) { return std::ranges::find(adopt::fork_tables(), name) != adopt::fork_tables().end(); }

// In small letters, names without their quotes and schema.
std::vector<std::string> words_of(std::string_view sql) {
  std::vector<std::string> words(1);
  for (const char c : sql) {
    if (c == '"' || c == '`' || c == '[' || c == ']') continue;
    if (c == '.') words.back().clear();
    else if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_') words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!words.back().empty()) words.emplace_back();
  }
  return words;
}

// ---- encoding ----

void look_at_encoding(Tx& tx, Lines& lines) {
  if (!is_postgresql(tx)) return;
  const auto encoding = tx.first("SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()", {},
                                 [](const Row& row) { return row.str(0); });
  if (!encoding || *encoding == "UTF8") return;
  lines.push_back({"",
                   {fmt::format("The encoding of this PostgreSQL database is {}; it must be UTF8. Make another (CREATE DATABASE name ENCODING 'UTF8' "
                                "TEMPLATE template0), move what is here with pg_dump and psql, and name it in DATABASE_URL", *encoding),
                    fmt::format("该 PostgreSQL 数据库的编码为 {}，必须为 UTF8。请新建数据库（CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0），"
                                "用 pg_dump 和 psql 迁移数据，并在 DATABASE_URL 中指定它", *encoding)},
                   Level::error});
}

// ---- what stands under names that are not free ----

// Kinds in capitals, as in DROP; `text` is what tells whether a view is ours.
struct Thing {
  std::string name, kind, text;
};

constexpr std::string_view kSqliteThings =
    "SELECT lower(name), upper(type), COALESCE(sql, '') FROM sqlite_master WHERE type IN ('view', 'index') ORDER BY name";
constexpr std::string_view kPostgresqlThings =
    "SELECT c.relname, CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'c' THEN 'TYPE' "
    "ELSE 'INDEX' END, CASE WHEN c.relkind = 'v' THEN COALESCE(obj_description(c.oid, 'pg_class'), '') || ' ' || pg_get_viewdef(c.oid) ELSE '' END "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = current_schema() AND c.relkind IN ('v', 'm', 'S', 'c', 'i', 'I') ORDER BY c.relname";

bool is_our_view(const Thing& thing) {
  if (thing.kind != "VIEW") return false;
  return thing.text.starts_with("fluxgate view ") || std::ranges::any_of(words_of(thing.text), [](const std::string& word) { return word.starts_with("fg_"); });
}

Text in_the_way(const Thing& thing) {
  const std::string drop = fmt::format("DROP {} {}", thing.kind, quoted_name(thing.name));
  if (!thing.kind.ends_with("VIEW"))
    return {fmt::format("an object of kind {} stands under this name, which Fluxgate needs. Rename it (ALTER {} … RENAME TO …) or remove it: {}",
                        thing.kind, thing.kind, drop),
            fmt::format("该名称为 Fluxgate 所需，却被 {} 占用。请重命名（ALTER {} … RENAME TO …）或删除：{}", thing.kind, thing.kind, drop)};
  if (is_forks(thing.name))
    return {fmt::format("a view that is not Fluxgate's stands under this name, so what it shows would not be taken over. Remove it ({0}); if the old "
                        "table has another name now, give it this one back: ALTER TABLE … RENAME TO {1}", drop, quoted_name(thing.name)),
            fmt::format("此名称下是一个不属于 Fluxgate 的视图，其中的数据不会被接管。请删除该视图（{0}）；若旧表已改名，请改回：ALTER TABLE … RENAME TO {1}",
                        drop, quoted_name(thing.name))};
  return {fmt::format("a view stands where a table belongs. Remove it ({0}); if the table has another name now, give it this one back: "
                      "ALTER TABLE … RENAME TO {1}", drop, quoted_name(thing.name)),
          fmt::format("此处应为表，却是一个视图。请删除该视图（{0}）；若该表已改名，请改回：ALTER TABLE … RENAME TO {1}", drop, quoted_name(thing.name))};
}

void look_at_names(Tx& tx, Lines& lines) {
  const auto things = tx.all(is_postgresql(tx) ? kPostgresqlThings : kSqliteThings, {},
                             [](const Row& row) { return Thing{row.str(0), row.str(1), row.str(2)}; });
  for (const Thing& thing : things) {
    const bool published = is_published(tx, thing.name), table = is_table_of_ours(thing.name);
    if (!published && !table && !(is_forks(thing.name) && thing.kind.ends_with("VIEW"))) continue;
    if (!table && published && is_our_view(thing)) continue;
    lines.push_back({thing.name, in_the_way(thing), Level::error});
  }
}

// ---- triggers ----

constexpr std::string_view kSqliteTriggers = "SELECT name, lower(tbl_name), COALESCE(sql, '') FROM sqlite_master WHERE type = 'trigger' ORDER BY name";
constexpr std::string_view kPostgresqlTriggers =
    "SELECT t.tgname, c.relname, p.prosrc FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "JOIN pg_proc p ON p.oid = t.tgfoid WHERE n.nspname = current_schema() AND NOT t.tgisinternal AND t.tgenabled <> 'D' ORDER BY t.tgname";

// The first name of a table to be taken over, or of a published view, that the text writes to; "" when there is none.
std::string written_to(std::string_view sql) {
  const auto words = words_of(sql);
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string& before = words[i - 1];
    const bool writes = before == "into" || before == "update" || (before == "from" && i > 1 && words[i - 2] == "delete") ||
                        (before == "only" && i > 1 && (words[i - 2] == "update" || words[i - 2] == "from"));
    if (writes && is_forks(words[i])) return words[i];
  }
  return "";
}

void look_at_triggers(Tx& tx, Lines& lines) {
  tx.each(is_postgresql(tx) ? kPostgresqlTriggers : kSqliteTriggers, {}, [&](const Row& row) {
    const std::string trigger = row.str(0), table = row.str(1);
    if (!is_table_of_ours(table)) return;
    const std::string drop = fmt::format("DROP TRIGGER {}{}", quoted_name(trigger), is_postgresql(tx) ? fmt::format(" ON {}", quoted_name(table)) : "");
    if (const std::string target = written_to(row.text(2)); !target.empty())
      lines.push_back({table,
                       {fmt::format("the trigger {} writes to {}, which nobody can write to in Fluxgate: every change here would fail. Remove it: {}",
                                    trigger, target, drop),
                        fmt::format("触发器 {} 会写入 {}，而它在 Fluxgate 中不可写，此表的任何改动都会失败。请删除：{}", trigger, target, drop)},
                       Level::error});
    else
      lines.push_back({table,
                       {fmt::format("the trigger {} is not Fluxgate's: where it fails, so does what is done here. Unless you need it: {}", trigger, drop),
                        fmt::format("触发器 {} 不属于 Fluxgate：它失败时，此处的操作也会失败。若不需要，请删除：{}", trigger, drop)},
                       Level::warning});
  });
}

// ---- settings ----

bool is_json(std::string_view text, bool object) {
  boost::system::error_code broken;
  const auto value = boost::json::parse(text, broken);
  return !broken && (!object || value.is_object() || value.is_null());
}

std::string in_quotes(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "'";
}

void unreadable(Lines& lines, std::string_view what_en, std::string_view what_zh, std::string_view column, std::string_view where) {
  lines.push_back({"config",
                   {fmt::format("{}, so it counts as not set and the defaults hold. Write it anew (UPDATE config SET {} = '…' WHERE {}) or remove it: "
                                "DELETE FROM config WHERE {}", what_en, column, where, where),
                    fmt::format("{}，视为未设置，按默认值处理。请改正（UPDATE config SET {} = '…' WHERE {}）或删除：DELETE FROM config WHERE {}", what_zh,
                                column, where, where)},
                   Level::warning});
}

// In both shapes that the table has (identity/settings.h).
void look_at_settings(Tx& tx, Lines& lines) {
  if (kind_of(tx, "config") != Kind::table) return;
  if (has_column(tx, "config", "key") && has_column(tx, "config", "value")) {
    tx.each("SELECT key, value FROM config ORDER BY key", {}, [&](const Row& row) {
      if (is_json(row.text(1), false)) return;
      unreadable(lines, fmt::format("the value of {} is no JSON", row.text(0)), fmt::format("{} 的值不是 JSON", row.text(0)), "value",
                 fmt::format("key = {}", in_quotes(row.text(0))));
    });
  } else if (has_column(tx, "config", "id") && has_column(tx, "config", "data")) {
    tx.first("SELECT id, data FROM config ORDER BY id DESC LIMIT 1", {}, [&](const Row& row) {
      if (!is_json(row.text(1), true))
        unreadable(lines, fmt::format("the data of the row with id {} is no JSON object", row.i64(0)), fmt::format("id 为 {} 的行的 data 不是 JSON 对象", row.i64(0)),
                   "data", fmt::format("id = {}", row.i64(0)));
      return true;
    });
  }
}

}  // namespace

Lines remarks(Tx& tx) {
  Lines lines;
  look_at_encoding(tx, lines);
  if (!lines.empty()) return lines;  // reading on may fail
  look_at_names(tx, lines);
  look_at_triggers(tx, lines);
  look_at_settings(tx, lines);
  return lines;
}

}  // namespace fluxgate::db

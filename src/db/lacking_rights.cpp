#include "db/lacking_rights.h"

#include <algorithm>

#include <fmt/format.h>

#include "db/schema.h"

namespace fluxgate::db {
namespace {

constexpr std::string_view kClosed =
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'f') "
    "AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') "
    "AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')) ORDER BY c.relname";

}  // namespace

std::optional<Text> lacking_rights(Tx& tx) {
  if (tx.dialect() == Dialect::sqlite) return std::nullopt;
  auto closed = tx.all(kClosed, {}, [](const Row& row) { return row.str(0); });
  std::erase_if(closed, [](const std::string& name) { return std::ranges::find(tables(), name, &Table::name) == tables().end(); });
  if (closed.empty()) return std::nullopt;
  const auto [role, schema] = *tx.first("SELECT current_user, current_schema()", {}, [](const Row& row) { return std::pair(row.str(0), row.str(1)); });
  return Text{fmt::format("The role {0} of DATABASE_URL may not read and write {2} of the tables in the schema {1}, the first is {3}. It needs SELECT, "
                          "INSERT, UPDATE and DELETE on all tables of Fluxgate; to update and repair them it must own them (ALTER TABLE … OWNER TO "
                          "{0}), and be allowed to make new ones (GRANT USAGE, CREATE ON SCHEMA {1}) and, for backups, schemas (GRANT CREATE ON "
                          "DATABASE). Nothing was changed.",
                          role, schema, closed.size(), closed.front()),
              fmt::format("DATABASE_URL 中的角色 {0} 对 schema {1} 中的 {2} 个表没有读写权限，第一个是 {3}。该角色须对 Fluxgate 的所有表拥有 SELECT、"
                          "INSERT、UPDATE 和 DELETE 权限；要升级和修复，还须拥有这些表（ALTER TABLE … OWNER TO {0}），并能建表（GRANT USAGE, CREATE ON "
                          "SCHEMA {1}）；备份还须能创建 schema（GRANT CREATE ON DATABASE）。未做任何更改。",
                          role, schema, closed.size(), closed.front())};
}

}  // namespace fluxgate::db

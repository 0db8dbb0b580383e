#include "db/postgresql_backup.h"

#include <algorithm>

#include <fmt/format.h>

#include "db/adopt/adopt.h"
#include "db/introspect.h"
#include "db/postgresql_tables.h"
#include "db/rights.h"
#include "db/schema.h"
#include "db/views.h"

namespace fluxgate::db {
namespace {

constexpr std::string_view kBackupPrefix = "fluxgate_backup_";
// A backup's comment: of all that is ours, or of some tables.
constexpr std::string_view kWhole = "fluxgate backup: whole", kPart = "fluxgate backup: part";

bool contains(const auto& names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

// Also what a repair renames, for its place is then taken by a view or table of ours, and the names of its indexes go
// along: of before and after a repair only one can be there.
bool is_ours(std::string_view table) {
  if (table.starts_with("fg_") || table.ends_with("_legacy") || table.contains("_legacy_")) return true;
  return std::ranges::find(adopt::fork_tables(), table) != adopt::fork_tables().end() ||
         std::ranges::any_of(tables(), [&](const Table& known) { return known.name == table; });
}

void refuse_beside_nodes(Tx& tx) {
  if (kind_of(tx, "fg_node") == Kind::none) return;
  const auto nodes = tx.number("SELECT COUNT(*) FROM fg_node WHERE lease_until > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)");
  if (nodes != 0)
    throw CareFailure({fmt::format("{} nodes serve this database. Stop them first. Nothing was changed.", nodes),
                       fmt::format("有 {} 个节点正在使用该数据库，请先停止它们。未做任何更改。", nodes)});
}

// Those that stay are led to what comes; those whose names the old tables take again go.
void make_way(Tx& tx, const std::string& schema, bool stay) {
  for (const View& view : views(Dialect::postgresql)) {
    if (kind_of(tx, view.name) != Kind::view) continue;
    if (stay) {
      tx.exec(fmt::format("COMMENT ON VIEW {} IS 'of the tables set aside'", quoted_name(view.name)));  // create_views makes it anew
      continue;
    }
    if (const auto readers = readers_of(tx, schema, view.name); !readers.empty())
      throw CareFailure({fmt::format("The view {} was made on {}, whose place its old table takes again. Drop it (DROP VIEW), try again, and make it "
                                     "again afterwards. Nothing was changed.", fmt::join(readers, ", "), view.name),
                         fmt::format("视图 {} 建在 {} 之上，而旧表将重新占用该名称。请先删除该视图（DROP VIEW），完成后再重建。未做任何更改。",
                                     fmt::join(readers, "、"), view.name)});
    tx.exec(fmt::format("DROP VIEW {}", quoted_name(view.name)));
  }
}

}  // namespace

void analyze_ours(Tx& tx) {
  const std::string schema = current_schema(tx);
  for (const std::string& name : tables_in(tx, schema))
    if (is_ours(name)) tx.exec("ANALYZE " + qualified(schema, name));
}

Backup back_up(Tx& tx, Millis now, const std::vector<std::string>& wanted) {
  Backup made;
  made.place = free_schema(tx, fmt::format("{}{}", kBackupPrefix, stamp(now)));
  const std::string schema = current_schema(tx);
  // Before the first repair: to put it back means that nothing of ours is left, so it has all that will be ours.
  const bool whole = wanted.empty() || kind_of(tx, "fg_migration") == Kind::none;
  std::vector<std::string> names = tables_in(tx, schema);
  const auto all = std::ssize(names);
  std::erase_if(names, [&](const std::string& name) { return !contains(wanted, name) && !(whole && is_ours(name)); });
  // One moment for all of them: whoever writes waits. Those that will be renamed are not even read any more: whoever is
  // in the way of that is met before anything is copied.
  for (const std::string& name : names) {
    const bool renamed = contains(wanted, name) && contains(adopt::fork_tables(), name);
    tx.exec(fmt::format("LOCK TABLE {} IN {} MODE", qualified(schema, name), renamed ? "ACCESS EXCLUSIVE" : "SHARE"));
  }
  tx.exec(fmt::format("CREATE SCHEMA {}", quoted_name(made.place)));
  tx.exec(fmt::format("COMMENT ON SCHEMA {} IS '{}'", quoted_name(made.place), whole ? kWhole : kPart));
  for (const std::string& name : names) copy_table(tx, schema, made.place, name);
  made.tables = std::ssize(names);
  made.left_out = wanted.empty() ? all - made.tables : 0;
  return made;
}

Restored put_back(Tx& tx, const std::string& backup, Millis now) {
  const auto comment = tx.first("SELECT COALESCE(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = $1", {backup},
                                [](const Row& row) { return row.str(0); });
  if (!comment || (*comment != kWhole && *comment != kPart))
    throw CareFailure({fmt::format("There is no backup {}: backups are schemas named {}….", backup, kBackupPrefix),
                       fmt::format("没有备份 {}：备份是名为 {}… 的 schema。", backup, kBackupPrefix)});
  refuse_beside_nodes(tx);
  const std::string schema = current_schema(tx);
  const auto coming = tables_in(tx, backup);
  const auto keys = foreign_keys(tx, schema);
  const auto rights = rights_in(tx, schema);
  const bool whole = *comment == kWhole;
  Restored done{.aside = free_schema(tx, "fluxgate_before_restore_" + stamp(now))};
  tx.exec(fmt::format("CREATE SCHEMA {}", quoted_name(done.aside)));
  tx.exec(fmt::format("COMMENT ON SCHEMA {} IS '{}'", quoted_name(done.aside), *comment));
  const bool ours = contains(coming, "fg_migration") || (!whole && kind_of(tx, "fg_migration") == Kind::table);
  make_way(tx, schema, ours);
  std::vector<std::string> moved;
  for (const std::string& name : tables_in(tx, schema))
    if (contains(coming, name) || (whole && is_ours(name))) {
      tx.exec(fmt::format("ALTER TABLE {} SET SCHEMA {}", qualified(schema, name), quoted_name(done.aside)));
      moved.push_back(name);
    }
  for (const std::string& name : coming) {
    copy_table(tx, backup, schema, name);
    take_sequences(tx, done.aside, schema, name);
  }
  lead_back(tx, schema, keys, moved);
  if (ours) create_views(tx);
  grant(tx, schema, rights);
  done.left_behind = readers_of(tx, done.aside);
  return done;
}

}  // namespace fluxgate::db

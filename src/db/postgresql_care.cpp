#include "db/postgresql_care.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "db/introspect.h"
#include "db/postgresql.h"
#include "db/postgresql_target.h"
#include "db/schema.h"
#include "db/views.h"

namespace fluxgate::db {
namespace {

constexpr std::string_view kBackupPrefix = "fluxgate_backup_";
// A backup's comment: of all that is ours, or of some tables.
constexpr std::string_view kWhole = "fluxgate backup: whole", kPart = "fluxgate backup: part";

std::string qualified(std::string_view schema, std::string_view table) { return quoted_name(schema) + "." + quoted_name(table); }

std::vector<std::string> strings(Tx& tx, std::string_view sql, Params params) {
  return tx.all(sql, params, [](const Row& row) { return row.str(0); });
}

std::string current_schema(Tx& tx) {
  return tx.first("SELECT current_schema()", {}, [](const Row& row) { return row.str(0); }).value_or("public");
}

std::vector<std::string> tables_in(Tx& tx, const std::string& schema) {
  return strings(tx, "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                     "WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY c.relname", {schema});
}

bool is_ours(std::string_view table) {
  if (table.starts_with("fg_") || table.ends_with("_legacy")) return true;
  return std::ranges::any_of(tables(), [&](const Table& known) { return known.name == table; });
}

// Columns, rows, keys and indexes under their own names.
void copy_table(Tx& tx, const std::string& from, const std::string& to, const std::string& table) {
  const std::string source = qualified(from, table), target = qualified(to, table);
  tx.exec(fmt::format("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING GENERATED INCLUDING STORAGE)", target, source));
  tx.exec(fmt::format("INSERT INTO {} OVERRIDING SYSTEM VALUE SELECT * FROM {}", target, source));
  for (const std::string& constraint :
       strings(tx, "SELECT format('%I %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint "
                   "WHERE conrelid = to_regclass($1) AND contype IN ('p', 'u', 'c') ORDER BY conname", {source}))
    tx.exec(fmt::format("ALTER TABLE {} ADD CONSTRAINT {}", target, constraint));
  for (const std::string& index :
       strings(tx, "SELECT replace(pg_get_indexdef(i.indexrelid), format(' ON %I.%I ', n.nspname, c.relname), format(' ON %I.%I ', $2::text, c.relname)) "
                   "FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
                   "WHERE i.indrelid = to_regclass($1) AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid)",
               {source, to}))
    tx.exec(index);
}

// A counter belongs to the table that counts with it: it follows its table's name, not the table set aside.
void take_sequences(Tx& tx, const std::string& aside, const std::string& schema, const std::string& table) {
  struct Owned {
    std::string column, sequence;
  };
  const auto owned = tx.all(
      "SELECT a.attname, s.relname FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' "
      "JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid "
      "WHERE d.refobjid = to_regclass($1) AND d.deptype = 'a'",
      {qualified(aside, table)}, [](const Row& row) { return Owned{row.str(0), row.str(1)}; });
  for (const Owned& counter : owned) {
    const std::string there = qualified(aside, counter.sequence);
    tx.exec(fmt::format("ALTER SEQUENCE {} OWNED BY NONE", there));
    tx.exec(fmt::format("ALTER SEQUENCE {} SET SCHEMA {}", there, quoted_name(schema)));
    tx.exec(fmt::format("ALTER SEQUENCE {} OWNED BY {}.{}", qualified(schema, counter.sequence), qualified(schema, table), quoted_name(counter.column)));
  }
}

// What autovacuum would do within the minute: until then every statement is planned as if the tables were empty.
void analyze(Tx& tx) {
  const std::string schema = current_schema(tx);
  for (const std::string& name : tables_in(tx, schema))
    if (is_ours(name)) tx.exec("ANALYZE " + qualified(schema, name));
}

class PostgresCare final : public Care {
 public:
  explicit PostgresCare(std::string url) : url_(std::move(url)), described_(parse_postgres_url(url_, false).described) {}

  Dialect dialect() const override { return Dialect::postgresql; }
  std::string described() const override { return described_; }
  bool exists() override { return true; }
  void read(const std::function<void(Tx&)>& closure) override {
    database().read_now([&closure](Tx& tx) { closure(tx); });
  }
  void examine() override {}  // the server answers for its pages
  void change(const std::function<void(Tx&)>& closure) override {
    transaction([&closure](Tx& tx) {
      closure(tx);
      analyze(tx);
    });
  }
  void scrub() override {}  // what was overwritten goes with the next VACUUM of the server
  Backup backup(const std::string& folder, Millis now, const std::vector<std::string>& tables) override;
  std::string restore(const std::string& backup, Millis now) override;

 private:
  void transaction(const std::function<void(Tx&)>& closure) {
    database().write_now([&closure](Tx& tx) {
      tx.exec("SET LOCAL statement_timeout = 0");
      // Tables grow from nothing here and nobody counts their rows meanwhile: a statement that is planned early would go
      // on reading them whole, once for each row that comes.
      tx.exec("SET LOCAL enable_seqscan = off");
      tx.exec("SET LOCAL jit = off");  // which plans with what is off seem to be worth
      closure(tx);
    }, {});  // nameless: nobody needs to be warned that this takes long
  }
  Database& database() {
    if (!database_) database_ = open_postgresql(url_, {.connections = 2});
    return *database_;
  }

  const std::string url_, described_;
  std::unique_ptr<Database> database_;
};

Backup PostgresCare::backup(const std::string&, Millis now, const std::vector<std::string>& wanted) {
  Backup made{fmt::format("{}{}", kBackupPrefix, stamp(now)), 0};
  std::ranges::replace(made.place, '-', '_');
  transaction([&](Tx& tx) {
    const std::string schema = current_schema(tx);
    const bool whole = wanted.empty() || kind_of(tx, "fg_migration") == Kind::none;
    std::vector<std::string> names = tables_in(tx, schema);
    std::erase_if(names, [&](const std::string& name) {
      return std::ranges::find(wanted, name) == wanted.end() && !(wanted.empty() && is_ours(name));
    });
    // One moment for all of them: whoever writes waits.
    for (const std::string& name : names) tx.exec(fmt::format("LOCK TABLE {} IN SHARE MODE", qualified(schema, name)));
    tx.exec(fmt::format("CREATE SCHEMA {}", quoted_name(made.place)));
    tx.exec(fmt::format("COMMENT ON SCHEMA {} IS '{}'", quoted_name(made.place), whole ? kWhole : kPart));
    for (const std::string& name : names) copy_table(tx, schema, made.place, name);
    made.tables = std::ssize(names);
    made.left_out = wanted.empty() ? std::ssize(tables_in(tx, schema)) - made.tables : 0;
  });
  return made;
}

void refuse_beside_nodes(Tx& tx) {
  if (kind_of(tx, "fg_node") == Kind::none) return;
  const auto nodes = tx.number("SELECT COUNT(*) FROM fg_node WHERE lease_until > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)");
  if (nodes != 0)
    throw CareFailure({fmt::format("{} nodes serve this database. Stop them first. Nothing was changed.", nodes),
                       fmt::format("有 {} 个节点正在使用该数据库，请先停止它们。未做任何更改。", nodes)});
}

std::string PostgresCare::restore(const std::string& backup, Millis now) {
  std::string aside = "fluxgate_before_restore_" + stamp(now);
  std::ranges::replace(aside, '-', '_');
  change([&](Tx& tx) {
    const auto comment = tx.first("SELECT COALESCE(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = $1", {backup},
                                  [](const Row& row) { return row.str(0); });
    if (!comment || (*comment != kWhole && *comment != kPart))
      throw CareFailure({fmt::format("There is no backup {}: backups are schemas named {}….", backup, kBackupPrefix),
                         fmt::format("没有备份 {}：备份是名为 {}… 的 schema。", backup, kBackupPrefix)});
    refuse_beside_nodes(tx);
    const std::string schema = current_schema(tx);
    const auto coming = tables_in(tx, backup);
    tx.exec(fmt::format("CREATE SCHEMA {}", quoted_name(aside)));
    tx.exec(fmt::format("COMMENT ON SCHEMA {} IS '{}'", quoted_name(aside), *comment));
    for (const View& view : views(Dialect::postgresql))
      if (kind_of(tx, view.name) == Kind::view) tx.exec(fmt::format("DROP VIEW {}", quoted_name(view.name)));
    for (const std::string& name : tables_in(tx, schema))
      if (std::ranges::find(coming, name) != coming.end() || (*comment == kWhole && is_ours(name)))
        tx.exec(fmt::format("ALTER TABLE {} SET SCHEMA {}", qualified(schema, name), quoted_name(aside)));
    for (const std::string& name : coming) {
      copy_table(tx, backup, schema, name);
      take_sequences(tx, aside, schema, name);
    }
    if (kind_of(tx, "fg_migration") == Kind::table) create_views(tx);
  });
  return aside;
}

}  // namespace

std::unique_ptr<Care> postgresql_care(std::string url) { return std::make_unique<PostgresCare>(std::move(url)); }

}  // namespace fluxgate::db

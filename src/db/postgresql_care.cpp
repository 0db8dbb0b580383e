#include "db/postgresql_care.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "base/log.h"
#include "db/adopt/adopt.h"
#include "db/introspect.h"
#include "db/postgresql.h"
#include "db/postgresql_connection.h"
#include "db/postgresql_tables.h"
#include "db/postgresql_target.h"
#include "db/postgresql_words.h"
#include "db/rights.h"
#include "db/schema.h"
#include "db/views.h"

namespace fluxgate::db {
namespace {

constexpr std::string_view kBackupPrefix = "fluxgate_backup_";
// A backup's comment: of all that is ours, or of some tables.
constexpr std::string_view kWhole = "fluxgate backup: whole", kPart = "fluxgate backup: part";

constexpr std::chrono::milliseconds kLockWait{5'000};  // as long as on SQLite
constexpr std::string_view kLockNotGot = "55P03";
constexpr std::int64_t kLockSpace = 0x66677065;  // "fgpe": of locks that sessions hold; Open WebUI's own are never met

// Also what a repair renames, for its place is then taken by a view or table of ours, and the names of its indexes go
// along: of before and after a repair only one can be there.
bool is_ours(std::string_view table) {
  if (table.starts_with("fg_") || table.ends_with("_legacy") || table.contains("_legacy_")) return true;
  return std::ranges::find(adopt::fork_tables(), table) != adopt::fork_tables().end() ||
         std::ranges::any_of(tables(), [&](const Table& known) { return known.name == table; });
}

// What autovacuum would do within the minute: until then every statement is planned as if the tables were empty.
void analyze(Tx& tx) {
  const std::string schema = current_schema(tx);
  for (const std::string& name : tables_in(tx, schema))
    if (is_ours(name)) tx.exec("ANALYZE " + qualified(schema, name));
}

// "open-webui (20 sessions), psql (1 session)"; ours are left out.
std::string connected(Tx& tx) {
  std::string list;
  tx.each("SELECT COALESCE(NULLIF(application_name, ''), usename), COUNT(*) FROM pg_stat_activity WHERE datname = current_database() "
          "AND COALESCE(backend_type, 'client backend') = 'client backend' AND application_name <> 'fluxgate' AND pid <> pg_backend_pid() "
          "GROUP BY 1 ORDER BY 1",
          {}, [&list](const Row& row) {
            list += fmt::format("{}{} ({} session{})", list.empty() ? "" : ", ", row.text(0), row.i64(1), row.i64(1) == 1 ? "" : "s");
          });
  return list;
}

class PostgresCare final : public Care {
 public:
  explicit PostgresCare(std::string url) : url_(std::move(url)), described_(parse_postgres_url(url_, false).described) {}

  Dialect dialect() const override { return Dialect::postgresql; }
  std::string described() const override { return described_; }
  bool exists() override { return true; }
  void read(const std::function<void(Tx&)>& closure) override {
    explaining([&] {
      readable().read_now([&](Tx& tx) {
        closure(tx);
        others_ = connected(tx);
      }, std::source_location{});
    });
  }
  std::optional<Text> remark() const override;
  void examine() override {}  // the server answers for its pages
  void examine_indexes() override {}
  bool take_turn() override;
  void change(const std::function<void(Tx&)>& closure) override {
    transaction([&closure](Tx& tx) {
      closure(tx);
      analyze(tx);
    });
  }
  Backup change_after_backup(const std::string& folder, Millis now, const std::vector<std::string>& tables,
                             const std::function<void(Tx&)>& closure) override;
  void scrub() override {}  // what was overwritten goes with the next VACUUM of the server
  Backup backup(const std::string& folder, Millis now) override;
  std::string restore(const std::string& backup, Millis now) override;

 private:
  Database& database() {
    if (!database_) database_ = open_postgresql(url_, {.connections = 2});
    return *database_;
  }
  // A standby can be looked at, when there is nothing else.
  Database& readable() {
    if (reading_) return *reading_;
    try {
      return database();
    } catch (const PgFailure&) {
      reading_ = open_postgresql(url_, {.read_only = true, .connections = 1});
      return *reading_;
    }
  }
  void transaction(const std::function<void(Tx&)>& closure);
  template <class F>
  void explaining(F&& f);
  std::string in_the_way();

  const std::string url_, described_;
  std::string others_;  // who else was connected when it was read last
  std::unique_ptr<Database> database_, reading_;
  std::unique_ptr<PgConnection> turn_;  // has the lock as long as it lives
};

template <class F>
void PostgresCare::explaining(F&& f) {
  try {
    f();
  } catch (const PgFailure& failure) {
    throw CareFailure(explained(failure, failure.sqlstate() == kLockNotGot ? in_the_way() : ""));
  }
}

// Other programs with an open transaction; ours say themselves what they do.
std::string PostgresCare::in_the_way() {
  try {
    return readable().read_now([](Tx& tx) {
      return tx.first("SELECT string_agg(format('%s (pid %s)', COALESCE(NULLIF(application_name, ''), usename), pid), ', ' ORDER BY pid) "
                      "FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' "
                      "AND xact_start IS NOT NULL AND application_name <> 'fluxgate'",
                      {}, [](const Row& row) { return row.maybe_str(0); }).value_or(std::nullopt).value_or("");
    }, std::source_location{});
  } catch (const Failure&) {
    return "";
  }
}

std::optional<Text> PostgresCare::remark() const {
  if (others_.empty()) return std::nullopt;
  return Text{fmt::format("Others are connected to this database: {}. The old platform must be stopped; Open WebUI may go on.", others_),
              fmt::format("该数据库还有其他连接：{}。旧平台必须先停止，Open WebUI 可继续运行。", others_)};
}

bool PostgresCare::take_turn() {
  if (turn_ && turn_->alive()) return false;
  bool waited = false;
  explaining([&] {
    turn_ = std::make_unique<PgConnection>(parse_postgres_url(url_, true), PgSession{});
    Tx& tx = *turn_;
    waited = tx.number("SELECT CASE WHEN pg_try_advisory_lock(CAST($1 AS INTEGER), hashtext('repair')) THEN 0 ELSE 1 END", {kLockSpace}) != 0;
    if (!waited) return;
    log::info("another repair of this database is under way; this one waits for it");
    tx.each("SELECT pg_advisory_lock(CAST($1 AS INTEGER), hashtext('repair'))", {kLockSpace}, [](const Row&) {});
  });
  return waited;
}

void PostgresCare::transaction(const std::function<void(Tx&)>& closure) {
  bool locked = false;
  explaining([&] {
    database().write_now([&](Tx& tx) {
      if (locked) throw CareFailure(explained(PgFailure(PgFailure::Kind::refused, "", std::string(kLockNotGot)), in_the_way()));
      tx.exec("SET LOCAL statement_timeout = 0");
      tx.exec(fmt::format("SET LOCAL lock_timeout = {}", kLockWait.count()));
      // Tables grow from nothing here and nobody counts their rows meanwhile: a statement that is planned early would go
      // on reading them whole, once for each row that comes.
      tx.exec("SET LOCAL enable_seqscan = off");
      tx.exec("SET LOCAL jit = off");  // which plans with what is off seem to be worth
      try {
        closure(tx);
      } catch (const PgFailure& failure) {
        locked = failure.sqlstate() == kLockNotGot;  // a transaction that lost is run again: that one need not wait, too
        throw;
      }
    }, {});  // nameless: nobody needs to be warned that this takes long
  });
}

// `wanted`: those that are going to be changed; empty = all that are ours.
Backup copied(Tx& tx, Millis now, const std::vector<std::string>& wanted) {
  Backup made;
  made.place = free_schema(tx, fmt::format("{}{}", kBackupPrefix, stamp(now)));
  const std::string schema = current_schema(tx);
  const auto contains = [](const auto& names, std::string_view name) { return std::ranges::find(names, name) != names.end(); };
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

Backup PostgresCare::backup(const std::string&, Millis now) {
  Backup made;
  transaction([&](Tx& tx) { made = copied(tx, now, {}); });
  return made;
}

Backup PostgresCare::change_after_backup(const std::string&, Millis now, const std::vector<std::string>& tables,
                                         const std::function<void(Tx&)>& closure) {
  Backup made;
  change([&](Tx& tx) {
    made = copied(tx, now, tables);
    closure(tx);
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
  std::string aside;
  change([&](Tx& tx) {
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
    std::vector<std::string> moved;
    aside = free_schema(tx, "fluxgate_before_restore_" + stamp(now));
    tx.exec(fmt::format("CREATE SCHEMA {}", quoted_name(aside)));
    tx.exec(fmt::format("COMMENT ON SCHEMA {} IS '{}'", quoted_name(aside), *comment));
    for (const View& view : views(Dialect::postgresql))
      if (kind_of(tx, view.name) == Kind::view) tx.exec(fmt::format("DROP VIEW {}", quoted_name(view.name)));
    for (const std::string& name : tables_in(tx, schema))
      if (std::ranges::find(coming, name) != coming.end() || (*comment == kWhole && is_ours(name))) {
        tx.exec(fmt::format("ALTER TABLE {} SET SCHEMA {}", qualified(schema, name), quoted_name(aside)));
        moved.push_back(name);
      }
    for (const std::string& name : coming) {
      copy_table(tx, backup, schema, name);
      take_sequences(tx, aside, schema, name);
    }
    lead_back(tx, schema, keys, moved);
    if (kind_of(tx, "fg_migration") == Kind::table) create_views(tx);
    grant(tx, schema, rights);
  });
  return aside;
}

}  // namespace

std::unique_ptr<Care> postgresql_care(std::string url) { return std::make_unique<PostgresCare>(std::move(url)); }

}  // namespace fluxgate::db

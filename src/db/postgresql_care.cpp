#include "db/postgresql_care.h"

#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "base/log.h"
#include "db/postgresql.h"
#include "db/postgresql_backup.h"
#include "db/postgresql_connection.h"
#include "db/postgresql_target.h"
#include "db/postgresql_words.h"

namespace fluxgate::db {
namespace {

constexpr std::chrono::milliseconds kLockWait{5'000};  // as long as on SQLite
constexpr std::string_view kLockNotGot = "55P03";
constexpr std::int64_t kLockSpace = 0x66677065;  // "fgpe": of locks that sessions hold; Open WebUI's own are never met

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
    bool locked = false;
    explaining([&] {
      readable().read_now([&](Tx& tx) {
        bounded(tx, locked, closure);
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
      analyze_ours(tx);
    });
  }
  Backup change_after_backup(const std::string& folder, Millis now, const std::vector<std::string>& tables,
                             const std::function<void(Tx&)>& closure) override;
  void scrub() override {}  // what was overwritten goes with the next VACUUM of the server
  Backup backup(const std::string& folder, Millis now) override;
  Restored restore(const std::string& backup, Millis now) override;

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
  static void bounded(Tx& tx, bool& locked, const std::function<void(Tx&)>& closure);
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

// Waits for locks a while only: also to be told what a view or a default says waits for whoever has locked the table.
// `locked`: in the try before; a transaction that lost is run again, and that one need not wait, too.
void PostgresCare::bounded(Tx& tx, bool& locked, const std::function<void(Tx&)>& closure) {
  if (locked) throw PgFailure(PgFailure::Kind::refused, "", std::string(kLockNotGot));
  tx.exec(fmt::format("SET LOCAL lock_timeout = {}", kLockWait.count()));
  try {
    closure(tx);
  } catch (const PgFailure& failure) {
    locked = failure.sqlstate() == kLockNotGot;
    throw;
  }
}

void PostgresCare::transaction(const std::function<void(Tx&)>& closure) {
  bool locked = false;
  explaining([&] {
    database().write_now([&](Tx& tx) {
      tx.exec("SET LOCAL statement_timeout = 0");
      // Tables grow from nothing here and nobody counts their rows meanwhile: a statement that is planned early would go
      // on reading them whole, once for each row that comes.
      tx.exec("SET LOCAL enable_seqscan = off");
      tx.exec("SET LOCAL jit = off");  // which plans with what is off seem to be worth
      bounded(tx, locked, closure);
    }, {});  // nameless: nobody needs to be warned that this takes long
  });
}

Backup PostgresCare::backup(const std::string&, Millis now) {
  Backup made;
  transaction([&](Tx& tx) { made = back_up(tx, now, {}); });
  return made;
}

Backup PostgresCare::change_after_backup(const std::string&, Millis now, const std::vector<std::string>& tables,
                                         const std::function<void(Tx&)>& closure) {
  Backup made;
  change([&](Tx& tx) {
    made = back_up(tx, now, tables);
    closure(tx);
  });
  return made;
}

Restored PostgresCare::restore(const std::string& backup, Millis now) {
  Restored done;
  change([&](Tx& tx) { done = put_back(tx, backup, now); });
  return done;
}

}  // namespace

std::unique_ptr<Care> postgresql_care(std::string url) { return std::make_unique<PostgresCare>(std::move(url)); }

}  // namespace fluxgate::db

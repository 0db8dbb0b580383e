// Backups, repairs and restores of databases on a server, and what is refused without changing anything.
#include <array>
#include <atomic>
#include <filesystem>
#include <map>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include "base/ids.h"
#include "db/check.h"
#include "db/postgresql_connection.h"
#include "db/repair.h"
#include "db/schema.h"
#include "support/mounts.h"
#include "support/postgres_server.h"
#include "support/seed_database.h"
#include "test_paths.h"

namespace fluxgate::db {
namespace {

namespace fs = std::filesystem;
constexpr Millis kNow = 1764150000000;

class OnPostgresql : public testing::Test {
 protected:
  void SetUp() override {
    url_ = test::PostgresServer::shared().new_database();
    database_ = open(url_, {.connections = 2});
    care_ = care_for(url_);
    write([](Tx& tx) {
      create_missing(tx, 1);
      tx.exec("INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ('ann', 5000, 0, 1, 1)");
    });
  }
  void write(const std::function<void(Tx&)>& closure) { database_->write_now([&](Tx& tx) { closure(tx); }); }
  std::int64_t count(const std::string& sql) {
    return database_->read_now([&](Tx& tx) { return tx.number(sql); });
  }

  std::string url_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Care> care_;
  const adopt::Options options_{.now = kNow, .data_dir = "/nonexistent"};
};

TEST_F(OnPostgresql, RepairCopiesTheTouchedTablesFirst) {
  write([](Tx& tx) {
    tx.exec("DROP VIEW credit");
    tx.exec("DROP INDEX fg_credit_entry_user");
    tx.exec("ALTER TABLE fg_credit_entry DROP COLUMN reason CASCADE");
  });
  const auto done = repair(*care_, options_, [](const Plan&) { return true; });
  ASSERT_TRUE(done.backup);
  EXPECT_EQ(done.backup->place, "fluxgate_backup_20251126_094000");
  EXPECT_EQ(done.backup->tables, 1);
  EXPECT_EQ(count("SELECT COUNT(*) FROM credit WHERE credit = 5"), 1);
  const auto again = repair(*care_, options_, [](const Plan&) { return true; });
  EXPECT_EQ(again.plan.state, State::ready);
  EXPECT_FALSE(again.backup);
}

TEST_F(OnPostgresql, ABackupIsPutBackWithKeysAndIndexes) {
  write([](Tx& tx) {
    tx.exec("CREATE TABLE counted_legacy (id SERIAL PRIMARY KEY, name TEXT UNIQUE)");
    tx.exec("INSERT INTO counted_legacy (name) VALUES ('one')");
    tx.exec("CREATE TABLE tool (id TEXT)");
  });
  const Backup made = care_->backup("", kNow);
  EXPECT_EQ(made.left_out, 1) << "what is Open WebUI's alone";
  write([](Tx& tx) {
    tx.exec("UPDATE fg_credit_account SET balance = 1");
    tx.exec("INSERT INTO counted_legacy (name) VALUES ('two')");
  });
  const std::string aside = care_->restore(made.place, kNow).aside;
  database_ = open(url_, {.connections = 2});
  EXPECT_EQ(count("SELECT balance FROM fg_credit_account"), 5000);
  EXPECT_EQ(count("SELECT balance FROM " + aside + ".fg_credit_account"), 1);
  const auto left = database_->read_now([](Tx& tx) { return all_differences(look(tx), tx.dialect()).size(); });
  EXPECT_EQ(left, 0u) << "every table, index and view is there under its name";
  write([](Tx& tx) { tx.exec("INSERT INTO counted_legacy (name) VALUES ('three')"); });
  EXPECT_EQ(count("SELECT MAX(id) FROM counted_legacy"), 3) << "the counter went on with its table";
  EXPECT_THROW(write([](Tx& tx) { tx.exec("INSERT INTO counted_legacy (name) VALUES ('one')"); }), Failure);
  write([&](Tx& tx) { tx.exec("DROP SCHEMA " + aside + " CASCADE"); });
  write([](Tx& tx) { tx.exec("INSERT INTO counted_legacy (name) VALUES ('four')"); });
}

// A database of the fork, in the schema that is the session's own and in one whose name has capitals.
class OldOnPostgresql : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    url_ = test::PostgresServer::shared().new_database();
    if (const std::string schema = GetParam(); schema != "public") {
      open(url_, {.connections = 1})->write_now([&](Tx& tx) { tx.exec("CREATE SCHEMA " + quoted_name(schema)); });
      url_ += (url_.contains('?') ? "&" : "?") + std::string("options=-csearch_path%3D%22") + schema + "%22";
    }
    open(url_, {.connections = 1})->write_now([](Tx& tx) {
      for (const char* script : {"base", "credit", "media"})
        for (const std::string& statement : test::seed_statements(FLUXGATE_SOURCE_DIR, script, test::SeedDialect::postgresql)) tx.exec(statement);
    });
  }
  std::map<std::string, std::int64_t> rows() const {
    std::map<std::string, std::int64_t> counts;
    care_for(url_)->read([&](Tx& tx) {
      for (const std::string& table : table_names(tx)) counts[table] = tx.number("SELECT COUNT(*) FROM " + quoted_name(table));
    });
    return counts;
  }
  State state() const {
    State found = State::empty;
    care_for(url_)->read([&](Tx& tx) { found = make_plan(tx, options()).state; });
    return found;
  }
  adopt::Options options() const { return {.now = kNow, .sealer = &sealer_, .data_dir = "/nonexistent"}; }
  Backup repaired() const { return repair(*care_for(url_), options(), [](const Plan&) { return true; }).backup.value(); }
  std::string restored(const std::string& backup) const { return care_for(url_)->restore(backup, kNow).aside; }

  std::string url_;
  const crypto::Sealer sealer_{std::string(32, 'k')};
};
INSTANTIATE_TEST_SUITE_P(Schemas, OldOnPostgresql, testing::Values("public", "Gate"), [](const auto& schema) { return std::string(schema.param); });

TEST_P(OldOnPostgresql, TheBackupOfItsRepairBringsAllOfItBack) {
  const auto before = rows();
  const Backup backup = repaired();
  EXPECT_NE(rows(), before);
  restored(backup.place);
  EXPECT_EQ(rows(), before) << "also what the repair did not touch";
}

TEST_P(OldOnPostgresql, GoingBackCanBeUndone) {
  const auto old = rows();
  const Backup first = repaired();
  const auto ours = rows();
  const Backup second = care_for(url_)->backup("", kNow);
  const std::string aside = restored(first.place);
  EXPECT_EQ(restored(aside), "fluxgate_before_restore_20251126_094000_2");
  EXPECT_EQ(rows(), ours) << "what was set aside";
  EXPECT_EQ(state(), State::ready);
  restored(first.place);
  EXPECT_EQ(rows(), old);
  restored(second.place);
  EXPECT_EQ(rows(), ours) << "what was backed up after the repair";
  EXPECT_EQ(state(), State::ready) << "every index and view is there under its name";
}

TEST_P(OldOnPostgresql, IsInABackupMadeBeforeAnyRepair) {
  const auto old = rows();
  const Backup backup = care_for(url_)->backup("", kNow);
  repaired();
  restored(backup.place);
  EXPECT_EQ(rows(), old);
}

TEST_P(OldOnPostgresql, WhoCouldReadItsTablesReadsWhatTakesTheirNames) {
  const auto write = [this](const std::function<void(Tx&)>& closure) { open(url_, {.connections = 1})->write_now([&](Tx& tx) { closure(tx); }); };
  // What the role may do, as "flux_tasks: SELECT INSERT".
  const auto may = [this](const std::string& role, const std::string& table) {
    std::string found = table + ":";
    care_for(url_)->read([&](Tx& tx) {
      for (const char* what : {"SELECT", "INSERT"})
        if (tx.number("SELECT CASE WHEN has_table_privilege($1, CAST(to_regclass($2) AS OID), $3) THEN 1 ELSE 0 END", {role, table, what}) != 0)
          found += std::string(" ") + what;
    });
    return found;
  };
  write([](Tx& tx) {
    for (const char* role : {"grafana", "\"the Accountant\""})
      tx.exec(fmt::format("DO $$ BEGIN IF to_regrole('{0}') IS NULL THEN CREATE ROLE {0}; END IF; END $$", role));
    tx.exec("GRANT SELECT, INSERT ON flux_tasks, generated_files TO grafana");
    tx.exec("GRANT SELECT (user_id, credit) ON credit TO \"the Accountant\" WITH GRANT OPTION");
    tx.exec("GRANT SELECT ON kling_tasks TO PUBLIC");
  });
  const auto column = [this](const char* name) {
    std::int64_t found = -1;
    care_for(url_)->read([&](Tx& tx) {
      found = tx.number("SELECT CASE WHEN has_column_privilege('the Accountant', CAST(to_regclass('credit') AS OID), $1, 'SELECT WITH GRANT OPTION') THEN 1 ELSE 0 END", {name});
    });
    return found;
  };
  const Backup backup = repaired();
  EXPECT_EQ(may("grafana", "flux_tasks"), "flux_tasks: SELECT") << "a view is read only";
  EXPECT_EQ(may("grafana", "generated_files"), "generated_files: SELECT INSERT");
  EXPECT_EQ(may("grafana", "kling_tasks"), "kling_tasks: SELECT") << "everybody";
  EXPECT_EQ(may("grafana", "credit"), "credit:");
  EXPECT_EQ(column("credit"), 1);
  EXPECT_EQ(column("id"), 0);
  const std::string aside = restored(backup.place);
  EXPECT_EQ(may("grafana", "flux_tasks"), "flux_tasks: SELECT INSERT") << "as it was";
  EXPECT_EQ(column("credit"), 1);
  restored(aside);
  EXPECT_EQ(may("grafana", "flux_tasks"), "flux_tasks: SELECT");
  EXPECT_EQ(may("grafana", "generated_files"), "generated_files: SELECT INSERT");
  EXPECT_EQ(column("id"), 0);
  write([](Tx& tx) {
    for (const char* role : {"grafana", "\"the Accountant\""}) tx.exec(fmt::format("DROP OWNED BY {}", role));
  });
}

TEST_F(OnPostgresql, ViewsOfOthersOnOursReadWhatWasPutBack) {
  write([](Tx& tx) {
    tx.exec("CREATE VIEW mine AS SELECT credit FROM credit");
    tx.exec("CREATE VIEW balances AS SELECT balance FROM fg_credit_account");
  });
  const Backup made = care_->backup("", kNow);
  write([](Tx& tx) { tx.exec("UPDATE fg_credit_account SET balance = 1000"); });
  const Restored done = care_->restore(made.place, kNow);
  database_ = open(url_, {.connections = 2});
  EXPECT_EQ(count("SELECT credit FROM mine"), 5);
  EXPECT_EQ(done.left_behind, std::vector<std::string>{"public.balances"}) << "that was made on the table itself";
  EXPECT_EQ(database_->read_now([](Tx& tx) { return all_differences(look(tx), tx.dialect()).size(); }), 0u);
}

TEST_P(OldOnPostgresql, ViewsOfOthersAreNamedWhereTheyAreInTheWayOrLeftBehind) {
  const auto write = [this](const std::string& sql) { open(url_, {.connections = 1})->write_now([&](Tx& tx) { tx.exec(sql); }); };
  write("CREATE VIEW old_view AS SELECT id FROM flux_tasks");
  const Backup backup = repaired();
  write("CREATE VIEW new_view AS SELECT id FROM flux_tasks");
  const std::string schema = GetParam() == std::string_view("public") ? "public" : "\"Gate\"";
  try {
    restored(backup.place);
    FAIL() << "it was done";
  } catch (const CareFailure& failure) {
    EXPECT_NE(failure.text().en.find("The view " + schema + ".new_view was made on flux_tasks"), std::string::npos) << failure.text().en;
    EXPECT_NE(failure.text().zh.find(schema + ".new_view"), std::string::npos) << failure.text().zh;
  }
  EXPECT_EQ(state(), State::ready) << "nothing was changed";
  write("DROP VIEW new_view");
  EXPECT_EQ(care_for(url_)->restore(backup.place, kNow).left_behind, std::vector<std::string>{schema + ".old_view"});
}

TEST_F(OnPostgresql, KeysBetweenTablesLeadToWhatWasPutBack) {
  write([](Tx& tx) {
    tx.exec("INSERT INTO \"user\" (id, name, email, role, profile_image_url, created_at, updated_at, last_active_at) "
            "VALUES ('u', 'n', 'e', 'user', '', 1, 1, 1)");
    tx.exec("CREATE TABLE api_key (id TEXT PRIMARY KEY, user_id TEXT REFERENCES \"user\" (id) ON DELETE CASCADE)");
    tx.exec("INSERT INTO api_key VALUES ('k', 'u')");
  });
  const Backup made = care_->backup("", kNow);
  const std::string aside = care_->restore(made.place, kNow).aside;
  database_ = open(url_, {.connections = 2});
  write([&](Tx& tx) { tx.exec("DROP SCHEMA " + aside + " CASCADE"); });
  EXPECT_THROW(write([](Tx& tx) { tx.exec("INSERT INTO api_key VALUES ('x', 'nobody')"); }), Failure);
  write([](Tx& tx) { tx.exec("DELETE FROM \"user\" WHERE id = 'u'"); });
  EXPECT_EQ(count("SELECT COUNT(*) FROM api_key"), 0) << "it went with its user";
}

// What repair says when it is not done.
std::string refusal(Care& care, const adopt::Options& options) {
  try {
    repair(care, options, [](const Plan&) { return true; });
    return "it was done";
  } catch (const CareFailure& failure) {
    EXPECT_NE(failure.text().zh, failure.text().en);
    return failure.what();
  }
}

TEST_F(OnPostgresql, WhoIsInTheWayIsNamed) {
  write([](Tx& tx) { tx.exec("DROP INDEX fg_task_history"); });
  PgConnection other(parse_postgres_url(url_ + "&application_name=visitor", true), {});
  repair(*care_, options_, [](const Plan& plan) {
    EXPECT_NE(plan.lines.front().text.en.find("Others are connected to this database: visitor (1 session)."), std::string::npos);
    return false;
  });
  other.command("BEGIN");
  other.command("LOCK TABLE fg_task");
  const std::string said = refusal(*care_, options_);
  EXPECT_NE(said.find(fmt::format("locked by another program: visitor (pid {})", other.backend())), std::string::npos) << said;
  other.command("ROLLBACK");
  EXPECT_EQ(refusal(*care_, options_), "it was done");
}

TEST_F(OnPostgresql, WhatIsRefusedLeavesNoBackup) {
  write([](Tx& tx) { tx.exec("ALTER TABLE fg_credit_entry DROP COLUMN reason CASCADE"); });
  PgConnection other(parse_postgres_url(url_, true), {});
  other.command("BEGIN");
  other.command("SELECT COUNT(*) FROM fg_credit_entry");  // it can be copied beside that, but not changed
  const std::string said = refusal(*care_, options_);
  EXPECT_NE(said.find("locked by another program"), std::string::npos) << said;
  const char* backups = "SELECT COUNT(*) FROM pg_namespace WHERE nspname LIKE 'fluxgate_backup_%'";
  EXPECT_EQ(count(backups), 0);
  other.command("ROLLBACK");
  EXPECT_EQ(refusal(*care_, options_), "it was done");
  EXPECT_EQ(count(backups), 1);
}

TEST_F(OnPostgresql, WhatTheUserMayNotIsExplained) {
  write([](Tx& tx) {
    tx.exec("DROP VIEW credit");
    tx.exec("DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'reader') THEN CREATE ROLE reader LOGIN; END IF; END $$");
    tx.exec("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader");
  });
  auto care = care_for(url_ + "&user=reader");
  const std::string said = refusal(*care, options_);
  EXPECT_NE(said.find("allows the user of DATABASE_URL too little: permission denied for"), std::string::npos) << said;
  EXPECT_NE(said.find("GRANT CREATE ON DATABASE"), std::string::npos) << said;
  EXPECT_EQ(said.find("CREATE SCHEMA \""), std::string::npos) << "not the statement";
}

TEST_F(OnPostgresql, AStandbyIsLookedAtAndNotRepaired) {
  write([](Tx& tx) { tx.exec("DROP VIEW credit"); });
  // As a standby says of itself.
  auto care = care_for(url_ + "&options=-cdefault_transaction_read_only%3Don");
  State state = State::empty;
  care->read([&](Tx& tx) { state = make_plan(tx, options_).state; });
  EXPECT_EQ(state, State::needs_repair);
  const std::string said = refusal(*care, options_);
  EXPECT_NE(said.find("read-only"), std::string::npos) << said;
  EXPECT_NE(said.find("Name the primary"), std::string::npos) << said;
}

TEST_F(OnPostgresql, OfTwoRepairsAtOnceOneWaitsAndFindsItDone) {
  write([](Tx& tx) { tx.exec("DROP VIEW credit"); });
  std::atomic<int> planned{0};
  std::array<Repaired, 2> done;
  {
    std::array<std::jthread, 2> both;
    for (std::size_t i = 0; i < both.size(); ++i)
      both[i] = std::jthread([&, i] {
        done[i] = repair(*care_for(url_), options_, [&planned](const Plan& plan) {
          ++planned;
          while (planned < 2) std::this_thread::yield();  // both have seen what is missing
          return plan.possible();
        });
      });
  }
  EXPECT_EQ(done[0].backup.has_value() + done[1].backup.has_value(), 1);
  EXPECT_EQ(count("SELECT COUNT(*) FROM credit WHERE credit = 5"), 1);
}

TEST_F(OnPostgresql, ABackupIsNotPutBackUnderRunningNodesNorFromAnywhere) {
  const Backup made = care_->backup("", kNow);
  write([](Tx& tx) { tx.exec("INSERT INTO fg_node (id, lease_until, started_at) VALUES ('n', 9000000000000, 1)"); });
  EXPECT_THROW(care_->restore(made.place, kNow), CareFailure);
  EXPECT_THROW(care_->restore("public", kNow), CareFailure);
  write([](Tx& tx) { tx.exec("DELETE FROM fg_node"); });
  EXPECT_NO_THROW(care_->restore(made.place, kNow));
}

TEST_F(OnPostgresql, WithoutRoomARepairChangesNothing) {
  const fs::path place = fs::temp_directory_path() / ("fluxgate-care-" + new_id());
  {
    const test::SmallDisk disk(place);
    if (!disk.mounted()) GTEST_SKIP() << "only root can mount a small disk";
    const passwd* owner = ::getpwnam("postgres");
    ASSERT_NE(owner, nullptr);
    const fs::path folder = place / "tables";
    fs::create_directory(folder);
    ASSERT_EQ(::chown(folder.c_str(), owner->pw_uid, owner->pw_gid), 0);
    const auto command = [&](const std::string& sql) { PgConnection(parse_postgres_url(url_, true), {}).command(sql.c_str()); };
    command(fmt::format("CREATE TABLESPACE small LOCATION '{}'", folder.string()));
    command("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_tablespace = small', current_database()); END $$");
    write([](Tx& tx) {
      tx.exec("DROP VIEW credit");
      tx.exec("DROP TABLE fg_alert");
    });
    disk.fill();
    const auto refused = [&]() -> std::string {
      try {
        repair(*care_for(url_), options_, [](const Plan&) { return true; });
        return "it was done";
      } catch (const Failure& failure) {
        return failure.what();
      }
    }();
    EXPECT_NE(refused.find("No space left on device"), std::string::npos) << refused;
    EXPECT_EQ(database_->read_now([](Tx& tx) { return kind_of(tx, "credit") == Kind::none && kind_of(tx, "fg_alert") == Kind::none; }), true);
    fs::remove(disk.filler());
    repair(*care_for(url_), options_, [](const Plan&) { return true; });
    EXPECT_EQ(count("SELECT COUNT(*) FROM credit WHERE credit = 5"), 1) << "with room it is done";
    command("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_tablespace', current_database()); END $$");
    command("DROP TABLE fg_alert CASCADE");
    command("DROP TABLESPACE small");
  }
  fs::remove_all(place);
}

TEST_F(OnPostgresql, ANewerDatabaseIsRefused) {
  write([](Tx& tx) { tx.exec("INSERT INTO fg_migration (version, applied_at) VALUES (99, 1)"); });
  EXPECT_THROW(repair(*care_, options_, [](const Plan&) { return true; }), CareFailure);
}

}  // namespace
}  // namespace fluxgate::db

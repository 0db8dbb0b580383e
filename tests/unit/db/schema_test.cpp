// The description against real databases: creation, checking, mending, every earlier version, the printed SQL.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "base/ids.h"
#include "db/check.h"
#include "db/schema.h"
#include "db/views.h"
#include "support/postgres_server.h"
#include "test_paths.h"

namespace fluxgate::db {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string name_of(const testing::TestParamInfo<Dialect>& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgresql"; }

class Schema : public testing::TestWithParam<Dialect> {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("fluxgate-schema-" + new_id());
    fs::create_directories(folder_);
    url_ = GetParam() == Dialect::sqlite ? "sqlite:///" + (folder_ / "test.db").string() : test::PostgresServer::shared().new_database();
    database_ = open(url_, {.connections = 2});
  }
  void TearDown() override {
    database_.reset();
    fs::remove_all(folder_);
  }
  void write(const std::function<void(Tx&)>& closure) { database_->write_now([&](Tx& tx) { closure(tx); }); }
  void run(const std::string& sql) {
    write([&](Tx& tx) { tx.exec(sql); });
  }
  std::vector<std::string> missing() {
    return database_->read_now([](Tx& tx) {
      std::vector<std::string> list;
      for (const Difference& difference : all_differences(look(tx), tx.dialect())) list.push_back(difference.table + ": " + difference.text.en);
      return list;
    });
  }
  // Through the engine's own command line; its exit code.
  int feed(const std::string& sql) {
    const fs::path script = folder_ / "script.sql";
    std::ofstream(script) << sql;
    const std::string command = GetParam() == Dialect::sqlite
                                    ? "sqlite3 -bail '" + (folder_ / "test.db").string() + "' < '" + script.string() + "'"
                                    : "psql -q -v ON_ERROR_STOP=1 '" + url_ + "' < '" + script.string() + "' 2>/dev/null";
    return WEXITSTATUS(std::system(command.c_str()));
  }

  fs::path folder_;
  std::string url_;
  std::unique_ptr<Database> database_;
};

const std::vector<std::string> kNothing;

TEST_P(Schema, IsCompleteOnceCreatedAndCreatedTwiceIsNothingNew) {
  EXPECT_FALSE(missing().empty());
  write([](Tx& tx) { create_missing(tx, 1); });
  EXPECT_EQ(missing(), kNothing);
  const auto version = database_->read_now([](Tx& tx) { return version_of(tx); });
  EXPECT_EQ(version, kSchemaVersion);
  write([](Tx& tx) { create_missing(tx, 2); });
  EXPECT_EQ(missing(), kNothing);
  EXPECT_EQ(database_->read_now([](Tx& tx) { return tx.number("SELECT COUNT(*) FROM fg_migration WHERE applied_at <> 1"); }), 0);
}

TEST_P(Schema, MadeByAnyEarlierVersionBecomesThisOne) {
  const fs::path fixtures = fs::path(FLUXGATE_SOURCE_DIR) / "tests/fixtures/schema";
  for (std::int64_t version = 1; version < kSchemaVersion; ++version) {
    const fs::path file = fixtures / ("v" + std::to_string(version) + (GetParam() == Dialect::sqlite ? ".sqlite.sql" : ".postgresql.sql"));
    ASSERT_TRUE(fs::exists(file)) << file << " is missing: print it with `fluxgate db schema` of that version";
    TearDown();
    SetUp();
    ASSERT_EQ(feed(text_of(file)), 0);
    run("INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ('u', 12500, 0, 1000, 2000)");
    EXPECT_EQ(database_->read_now([](Tx& tx) { return version_of(tx); }), version);
    write([](Tx& tx) { create_missing(tx, 5); });
    EXPECT_EQ(missing(), kNothing) << "from version " << version;
    EXPECT_EQ(database_->read_now([](Tx& tx) { return tx.number("SELECT COUNT(*) FROM credit WHERE user_id = 'u' AND credit = 12.5"); }), 1);
    EXPECT_EQ(database_->read_now([](Tx& tx) { return version_of(tx); }), kSchemaVersion);
  }
}

TEST_P(Schema, OfANewerVersionIsRefusedAndLeftAlone) {
  write([](Tx& tx) { create_missing(tx, 1); });
  run("INSERT INTO fg_migration (version, applied_at) VALUES (" + std::to_string(kSchemaVersion + 1) + ", 1)");
  run("DROP VIEW credit");
  EXPECT_THROW(write([](Tx& tx) { create_missing(tx, 1); }), Failure);
  EXPECT_EQ(missing().size(), 1u);
}

TEST_P(Schema, ThatLacksAnyOneTableIsMended) {
  write([](Tx& tx) { create_missing(tx, 1); });
  for (const Table& table : tables()) {
    if (table.name == "fg_migration") continue;
    write([&](Tx& tx) {
      for (const View& view : views(tx.dialect())) tx.exec("DROP VIEW IF EXISTS " + quoted_name(view.name));
      tx.exec("DROP TABLE " + quoted_name(table.name));
    });
    EXPECT_FALSE(missing().empty());
    write([](Tx& tx) { create_missing(tx, 1); });
    EXPECT_EQ(missing(), kNothing) << table.name;
  }
}

// One row with a value in every column that must have one.
void fill(Tx& tx, const Table& table) {
  std::string names, values;
  for (const Column& column : table.columns) {
    if (!column.rest.contains("NOT NULL") && !column.rest.contains("KEY")) continue;
    names += (names.empty() ? "" : ", ") + quoted_name(column.name);
    values += values.empty() ? "" : ", ";
    values += column.type == ColumnType::boolean ? "TRUE" : column.type == ColumnType::datetime ? "'2026-01-01 00:00:00'" : "'7'";
  }
  tx.exec("INSERT INTO " + quoted_name(table.name) + " (" + names + ") VALUES (" + values + ")");
}

// The table without its n-th column of those that can be added to one with rows; nullopt when it has fewer.
std::optional<Table> without(const Table& table, std::size_t n, Dialect dialect) {
  for (const Column& column : table.columns) {
    if (add_column(table.name, column, dialect).empty() || table.key.contains(column.name)) continue;
    if (n-- != 0) continue;
    Table lacking = table;
    std::erase_if(lacking.columns, [&](const Column& c) { return c.name == column.name; });
    lacking.indexes.clear();
    return lacking;
  }
  return std::nullopt;
}

// In round n each table lacks its n-th column: every one is added, with a value for the rows that are there.
TEST_P(Schema, ThatLacksAnyOneColumnIsMended) {
  for (std::size_t round = 0, lacked = 1; lacked != 0; ++round) {
    lacked = 0;
    write([&](Tx& tx) {
      for (const View& view : views(tx.dialect())) tx.exec("DROP VIEW IF EXISTS " + quoted_name(view.name));
      for (const Table& table : tables()) {
        if (table.owner == "openwebui" || table.name == "fg_migration") continue;
        const auto lacking = without(table, round, GetParam());
        if (!lacking) continue;
        ++lacked;
        tx.exec("DROP TABLE IF EXISTS " + quoted_name(table.name));
        for (const std::string& statement : create_statements(*lacking, tx.dialect())) tx.exec(statement);
        fill(tx, *lacking);
      }
    });
    write([](Tx& tx) { create_missing(tx, 1); });
    EXPECT_EQ(missing(), kNothing) << "round " << round;
  }
}

TEST_P(Schema, ThatLacksAnIndexOrAViewIsMended) {
  write([](Tx& tx) { create_missing(tx, 1); });
  run("DROP INDEX fg_task_history");
  run("DROP VIEW flux_tasks");
  run("DROP VIEW credit");
  run("CREATE VIEW credit AS SELECT 1 AS mine");
  EXPECT_EQ(missing(), (std::vector<std::string>{"fg_task: the index fg_task_history is missing", "flux_tasks: the view is missing",
                                                 "credit: the view is another than described"}));
  write([](Tx& tx) { create_missing(tx, 1); });
  EXPECT_EQ(missing(), kNothing);
}

TEST_P(Schema, KeepsWhatOthersBuiltOnAView) {
  write([](Tx& tx) { create_missing(tx, 1); });
  run("CREATE VIEW dashboard AS SELECT id, status FROM flux_tasks");
  if (GetParam() == Dialect::sqlite) {
    run("DROP VIEW flux_tasks");
  } else {
    run("COMMENT ON VIEW flux_tasks IS 'an earlier one'");
  }
  run("DELETE FROM fg_migration WHERE version = " + std::to_string(kSchemaVersion));
  write([](Tx& tx) { create_missing(tx, 1); });
  EXPECT_EQ(missing(), kNothing);
  EXPECT_EQ(database_->read_now([](Tx& tx) { return tx.number("SELECT COUNT(*) FROM dashboard"); }), 0);
}

TEST_P(Schema, WithATableWhereAViewBelongsIsNotTouched) {
  run("CREATE TABLE flux_tasks (id TEXT)");
  EXPECT_THROW(write([](Tx& tx) { create_missing(tx, 1); }), Failure);
  EXPECT_EQ(database_->read_now([](Tx& tx) { return table_names(tx); }), std::vector<std::string>{"flux_tasks"});
}

TEST_P(Schema, PrintedIsTakenByTheEnginesOwnToolTwice) {
  const std::string script = schema_script(GetParam());
  ASSERT_EQ(feed(script), 0);
  EXPECT_EQ(missing(), kNothing);
  ASSERT_EQ(feed(script), 0);
  EXPECT_EQ(missing(), kNothing);
  EXPECT_EQ(database_->read_now([](Tx& tx) { return version_of(tx); }), kSchemaVersion);
}

TEST_P(Schema, PrintedDoesNotPassOverTheStepsFromAnEarlierVersion) {
  write([](Tx& tx) { create_missing(tx, 1); });
  run("DELETE FROM fg_migration WHERE version = " + std::to_string(kSchemaVersion));
  ASSERT_EQ(feed(schema_script(GetParam())), 0);
  EXPECT_EQ(database_->read_now([](Tx& tx) { return version_of(tx); }), kSchemaVersion - 1);
}

// ---- beside Open WebUI ----

class BesideOpenWebUi : public Schema {
 protected:
  void stand_at(const std::string& revision) {
    run("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)");
    run("INSERT INTO alembic_version VALUES ('" + revision + "')");
    run("CREATE TABLE chat (id VARCHAR(255), chat TEXT)");
    run("CREATE TABLE tag (id VARCHAR(255), name TEXT)");
  }
  bool has(const std::string& table, const std::string& column) {
    return database_->read_now([&](Tx& tx) { return has_column(tx, table, column); });
  }
};

TEST_P(BesideOpenWebUi, ColumnsOfAHalfMigratedFileAreAdded) {
  stand_at("3ab32c4b8f59");
  run("CREATE TABLE folder (id VARCHAR(255) PRIMARY KEY, user_id VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL, data JSON)");
  run("INSERT INTO folder VALUES ('f', 'u', 'n', NULL)");
  write([](Tx& tx) { create_missing(tx, 1); });
  for (const char* column : {"folder_id", "pinned", "meta"}) EXPECT_TRUE(has("chat", column)) << column;
  for (const char* column : {"parent_id", "items", "meta", "is_expanded"}) EXPECT_TRUE(has("folder", column)) << column;
  EXPECT_TRUE(has("tag", "meta"));
  EXPECT_EQ(missing(), kNothing);
}

TEST_P(BesideOpenWebUi, ColumnsThatItsOwnMigrationsWillAddAreLeftToThem) {
  stand_at("3781e22d8b01");
  run("CREATE TABLE folder (id TEXT, user_id TEXT, parent_id TEXT, name TEXT, items JSON, meta JSON, is_expanded BOOLEAN, "
      "created_at BIGINT, updated_at BIGINT, PRIMARY KEY (id, user_id))");
  run("CREATE TABLE channel (id TEXT PRIMARY KEY, type TEXT)");
  write([](Tx& tx) { create_missing(tx, 1); });
  EXPECT_FALSE(has("folder", "data"));
  EXPECT_EQ(missing(), kNothing);
  run("ALTER TABLE folder ADD COLUMN data JSON");  // as d31026856c01 does
  run("UPDATE alembic_version SET version_num = 'd31026856c01'");
  EXPECT_EQ(missing(), kNothing);
}

TEST_P(BesideOpenWebUi, WhatNewerVersionsDroppedIsNotMissed) {
  stand_at("b10670c03dd5");
  run("CREATE TABLE \"user\" (id TEXT PRIMARY KEY, name TEXT, email TEXT, role TEXT, oauth JSON)");
  run("CREATE TABLE config (key TEXT PRIMARY KEY, value JSON, updated_at BIGINT)");
  write([](Tx& tx) { create_missing(tx, 1); });
  EXPECT_EQ(missing(), kNothing);
  EXPECT_FALSE(has("user", "api_key"));
  EXPECT_FALSE(has("config", "data"));
}

INSTANTIATE_TEST_SUITE_P(Engines, Schema, testing::Values(Dialect::sqlite, Dialect::postgresql), name_of);
INSTANTIATE_TEST_SUITE_P(Engines, BesideOpenWebUi, testing::Values(Dialect::sqlite, Dialect::postgresql), name_of);

}  // namespace
}  // namespace fluxgate::db

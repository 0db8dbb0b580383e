// Everything that can be otherwise than described, on both engines: it is seen, and mended where that is safe.
#include "db/check.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ours_on_both.h"

namespace fluxgate::db {
namespace {

using Statements = std::vector<std::string>;

class Check : public OursOnBoth {
 protected:
  std::string said() {
    std::string all;
    for (const auto& line : plan().lines) all += fmt::format("{}: {}\n", line.table, line.text.en);
    return all;
  }
  std::int64_t number(const std::string& sql) {
    return database_->read_now([&](Tx& tx) { return tx.number(sql); });
  }
  // Nothing but this is told, and a repair mends it.
  void expect_mended(const Statements& spoil, const std::string& told) {
    run(spoil);
    EXPECT_EQ(said(), told + "\n");
    EXPECT_TRUE(plan().possible());
    EXPECT_EQ(plan().state, State::needs_repair) << told;
    const auto report = database_->write_now([](Tx& tx) { return run_plan(tx, {}); });
    EXPECT_EQ(report.size(), 1u) << told;
    EXPECT_EQ(said(), "") << told;
  }
  // It stops a repair, and `remedy` ends that.
  void expect_refused(const Statements& spoil, const std::vector<std::string>& words, const Statements& remedy) {
    run(spoil);
    const std::string told = said();
    for (const std::string& word : words) EXPECT_NE(told.find(word), std::string::npos) << word << " in: " << told;
    EXPECT_FALSE(plan().possible()) << told;
    EXPECT_EQ(plan().state, State::needs_repair);
    run(remedy);
    EXPECT_TRUE(plan().possible()) << said();
  }
};

std::string another_node_table(std::string_view id) {
  return fmt::format("CREATE TABLE fg_node (id {}, lease_until BIGINT NOT NULL, started_at BIGINT NOT NULL, version TEXT)", id);
}

TEST_P(Check, AKeyIsMadeAgain) {
  expect_mended({"DROP TABLE fg_node", another_node_table("TEXT")}, "fg_node: the key (id) is missing");
  run({"INSERT INTO fg_node (id, lease_until, started_at) VALUES ('n', 1, 1) ON CONFLICT (id) DO UPDATE SET lease_until = 2"});
  if (sqlite()) return;
  expect_mended({"ALTER TABLE fg_credit_account DROP CONSTRAINT fg_credit_account_pkey"}, "fg_credit_account: the key (user_id) is missing");
  expect_mended({"ALTER TABLE fg_access_key DROP CONSTRAINT fg_access_key_key_hash_key"}, "fg_access_key: the key (key_hash) is missing");
  expect_mended({"ALTER TABLE fg_usage_total DROP CONSTRAINT fg_usage_total_pkey", "CREATE UNIQUE INDEX partly ON fg_usage_total (hour, provider)"},
                "fg_usage_total: the key (hour, provider, model) is missing");
  expect_mended({"ALTER TABLE fg_setting DROP CONSTRAINT fg_setting_pkey", "ALTER TABLE fg_setting ADD UNIQUE (key) DEFERRABLE"},
                "fg_setting: the key (key) is missing");  // which ON CONFLICT cannot use
}

TEST_P(Check, AKeyInAnotherFormIsAKey) {
  run({"DROP TABLE fg_node", another_node_table("TEXT NOT NULL UNIQUE")});
  EXPECT_EQ(said(), "");
  if (!sqlite()) return;
  run({"DROP TABLE fg_node", another_node_table("TEXT NOT NULL PRIMARY KEY") + " WITHOUT ROWID"});
  EXPECT_EQ(said(), "");
  run({"DROP TABLE fg_migration", "CREATE TABLE fg_migration (version INTEGER PRIMARY KEY, applied_at BIGINT NOT NULL)"});
  for (const Migration& migration : migrations()) run({fmt::format("INSERT INTO fg_migration VALUES ({}, 1)", migration.version)});
  EXPECT_EQ(said(), "");
}

TEST_P(Check, RowsThatStandTwiceAreInTheWayOfAKey) {
  expect_refused({"DROP TABLE fg_node", another_node_table("TEXT"), "INSERT INTO fg_node VALUES ('n', 1, 1, ''), ('n', 2, 1, ''), ('m', 1, 1, '')"},
                 {"fg_node: the key (id) is missing, and 1 rows are in the way", "SELECT id, COUNT(*) FROM \"fg_node\" WHERE id IS NOT NULL GROUP BY id HAVING COUNT(*) > 1"},
                 {"DELETE FROM fg_node WHERE lease_until = 2"});
  expect_refused({"DROP INDEX fg_task_legacy", "INSERT INTO fg_once (name, value, created_at) VALUES ('kept', '', 1)",
                  "INSERT INTO fg_task (id, user_id, provider, endpoint, model, status, params, quote, quote_rev, created_at, updated_at, legacy_id) "
                  "VALUES ('a', 'u', 'flux', 'e', 'm', 'failed', '{}', 1, 1, 1, 1, 'old'), ('b', 'u', 'flux', 'e', 'm', 'failed', '{}', 1, 1, 1, 1, 'old'), "
                  "('c', 'u', 'flux', 'e', 'm', 'failed', '{}', 1, 1, 1, 1, NULL), ('d', 'u', 'flux', 'e', 'm', 'failed', '{}', 1, 1, 1, 1, NULL)"},
                 {"fg_task: the index fg_task_legacy is missing, and 1 rows are in the way"}, {"DELETE FROM fg_task WHERE id = 'b'"});
}

TEST_P(Check, AnIndexOfAnotherShapeIsMadeAnew) {
  for (const char* other : {"CREATE INDEX fg_credit_entry_once ON fg_credit_entry (reason)", "CREATE UNIQUE INDEX fg_credit_entry_once ON fg_credit_entry (task_id, kind)",
                            "CREATE INDEX fg_credit_entry_once ON fg_credit_entry (task_id, kind) WHERE task_id IS NOT NULL"})
    expect_mended({"DROP INDEX fg_credit_entry_once", other}, "fg_credit_entry: the index fg_credit_entry_once is another than described");
  expect_mended({"DROP INDEX fg_user_address", "CREATE INDEX fg_user_address ON \"user\" (email)"}, "user: the index fg_user_address is another than described");
}

TEST_P(Check, AnIndexOfAnotherTableUnderANameOfOursIsInTheWay) {
  expect_refused({"DROP INDEX fg_task_history", "CREATE TABLE theirs (x TEXT)", "CREATE INDEX fg_task_history ON theirs (x)"},
                 {"fg_task: the index fg_task_history is missing", "theirs", "DROP INDEX fg_task_history"}, {"DROP INDEX fg_task_history"});
  run({"CREATE INDEX fg_task_history ON fg_task (user_id, provider, id)"});
  // Of a table that was set aside it is not: that needs it no more.
  expect_mended({"DROP INDEX fg_task_history", "CREATE TABLE chat_legacy (x TEXT)", "CREATE INDEX fg_task_history ON chat_legacy (x)"},
                "fg_task: the index fg_task_history is another than described");
}

TEST_P(Check, RulesOfColumns) {
  if (sqlite()) {  // which changes no column: only a warning
    run({"DROP TABLE fg_node", "CREATE TABLE fg_node (id TEXT PRIMARY KEY, lease_until BIGINT, started_at BIGINT NOT NULL, version TEXT)",
         "DROP TABLE fg_user", "CREATE TABLE fg_user (user_id TEXT PRIMARY KEY, tokens_valid_after BIGINT NOT NULL DEFAULT 1, event_seq BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL)"});
    EXPECT_EQ(said(), "fg_user: the column tokens_valid_after lacks its default 0\nfg_node: the column lease_until may be NULL, expected NOT NULL\n");
    EXPECT_EQ(plan().state, State::ready);
    return;
  }
  expect_mended({"ALTER TABLE fg_task ALTER COLUMN model DROP NOT NULL"}, "fg_task: the column model may be NULL, expected NOT NULL");
  expect_mended({"ALTER TABLE fg_task ALTER COLUMN rev DROP DEFAULT"}, "fg_task: the column rev lacks its default 1");
  expect_mended({"ALTER TABLE fg_upload ALTER COLUMN place SET DEFAULT 'x'"}, "fg_upload: the column place lacks its default ''");
  expect_refused({"ALTER TABLE fg_node ALTER COLUMN lease_until DROP NOT NULL", "INSERT INTO fg_node (id, started_at) VALUES ('n', 1)"},
                 {"fg_node: the column lease_until may be NULL, expected NOT NULL, and 1 rows are in the way", "SELECT * FROM \"fg_node\" WHERE \"lease_until\" IS NULL"},
                 {"DELETE FROM fg_node"});
}

TEST_P(Check, TypesOfColumns) {
  if (sqlite()) {
    run({"DROP TABLE fg_node", "CREATE TABLE fg_node (id TEXT PRIMARY KEY, lease_until TEXT NOT NULL, started_at BIGINT NOT NULL, version TEXT)"});
    EXPECT_EQ(said(), "fg_node: the column lease_until has the type TEXT, expected BIGINT\n");
    EXPECT_EQ(plan().state, State::ready);
    return;
  }
  run({"INSERT INTO generated_files (id, user_id, filename, file_type, file_size, storage_provider, source_type, status, created_at, updated_at) "
       "VALUES ('01890000-0000-7000-8000-000000000001', 'u', 'f', 'image', 7, 'local', 'flux', 'uploaded', '2026-01-02 03:04:05', '2026-01-02 03:04:05')"});
  const std::string same = "SELECT COUNT(*) FROM generated_files WHERE id = '01890000-0000-7000-8000-000000000001' AND file_size = 7 "
                           "AND created_at = TIMESTAMP '2026-01-02 03:04:05'";
  expect_mended({"ALTER TABLE generated_files ALTER COLUMN created_at TYPE TIMESTAMPTZ USING created_at AT TIME ZONE 'UTC'"},
                "generated_files: the column created_at has the type TIMESTAMP WITH TIME ZONE, expected TIMESTAMP");
  expect_mended({"ALTER TABLE generated_files ALTER COLUMN id TYPE UUID USING CAST(id AS UUID)"}, "generated_files: the column id has the type UUID, expected TEXT");
  expect_mended({"ALTER TABLE generated_files ALTER COLUMN file_size TYPE TEXT"}, "generated_files: the column file_size has the type TEXT, expected BIGINT");
  EXPECT_EQ(number(same), 1);
  expect_mended({"ALTER TABLE generated_files ALTER COLUMN created_at TYPE TEXT USING created_at || '+00:00'"},
                "generated_files: the column created_at has the type TEXT, expected TIMESTAMP");
  EXPECT_EQ(number(same), 1);
  expect_refused({"ALTER TABLE generated_files ALTER COLUMN created_at TYPE TEXT", "UPDATE generated_files SET created_at = 'yesterday'"},
                 {"generated_files: the column created_at has the type TEXT, expected TIMESTAMP, and 1 rows are in the way"},
                 {"UPDATE generated_files SET created_at = '2026-01-02'"});
  database_->write_now([](Tx& tx) { return run_plan(tx, {}); });
  expect_refused({"ALTER TABLE generated_files ALTER COLUMN file_size TYPE TEXT", "UPDATE generated_files SET file_size = '7 kB'"},
                 {"generated_files: the column file_size has the type TEXT, expected BIGINT, and 1 rows are in the way", "SELECT \"file_size\" FROM \"generated_files\" WHERE"},
                 {"UPDATE generated_files SET file_size = NULL"});
  run({"ALTER TABLE generated_files ALTER COLUMN file_size TYPE BIGINT USING CAST(file_size AS BIGINT)"});
  expect_mended({"ALTER TABLE \"user\" ALTER COLUMN created_at TYPE TEXT"}, "user: the column created_at has the type TEXT, expected BIGINT");
  // A column that published views name.
  run({"DROP VIEW credit", "DROP VIEW flux_credits", "ALTER TABLE fg_credit_account ALTER COLUMN updated_at TYPE TEXT"});
  database_->write_now([](Tx& tx) { return run_plan(tx, {}); });
  EXPECT_EQ(said(), "");
}

TEST_P(Check, ColumnsOfOpenWebuisThatSignInNeedsAreAdded) {
  run({"INSERT INTO \"user\" (id, name, email, role, profile_image_url, created_at, updated_at, last_active_at) VALUES ('u', 'n', 'e', 'admin', '', 1, 1, 1)",
       "INSERT INTO auth (id, email, password, active) VALUES ('u', 'e', 'p', FALSE)"});
  for (const char* column : {"profile_image_url", "last_active_at", "created_at", "updated_at", "settings", "info"})
    expect_mended({fmt::format("ALTER TABLE \"user\" DROP COLUMN {}", column)}, fmt::format("user: the column {} is missing", column));
  expect_mended({"ALTER TABLE auth DROP COLUMN active"}, "auth: the column active is missing");
  EXPECT_EQ(number("SELECT COUNT(*) FROM auth WHERE active"), 1);
  EXPECT_EQ(number("SELECT COUNT(*) FROM \"user\" WHERE profile_image_url = '/user.png' AND last_active_at = 0 AND settings IS NULL"), 1);
}

TEST_P(Check, ColumnsThatNobodyElseKnowsTheValuesOfAreTheOperators) {
  expect_refused({"ALTER TABLE \"user\" DROP COLUMN role"}, {"user: the column role is missing", "ALTER TABLE \"user\" ADD COLUMN \"role\" TEXT"},
                 {"ALTER TABLE \"user\" ADD COLUMN \"role\" TEXT"});
  expect_refused({"ALTER TABLE auth DROP COLUMN password"}, {"auth: the column password is missing"}, {"ALTER TABLE auth ADD COLUMN \"password\" TEXT"});
  EXPECT_EQ(said(), "");
}

INSTANTIATE_TEST_SUITE_P(Engines, Check, testing::Values(Dialect::sqlite, Dialect::postgresql),
                         [](const auto& info) { return std::string(info.param == Dialect::sqlite ? "Sqlite" : "Postgresql"); });

}  // namespace
}  // namespace fluxgate::db

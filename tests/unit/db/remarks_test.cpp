// What the operator has to see to, on both engines: each alone in a database that is well but for it, and as its remedy says.
#include "db/remarks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "db/introspect.h"
#include "ours_on_both.h"
#include "support/postgres_server.h"

namespace fluxgate::db {
namespace {

using adopt::Level;
using adopt::Line;

class Remarks : public OursOnBoth {
 protected:
  // One line, of this level and about this table, with these words; it stops a repair if it is an error.
  void expect_one(Level level, const std::string& table, const std::vector<std::string>& words) {
    const Plan found = plan();
    ASSERT_EQ(found.lines.size(), 1u) << found.lines.size();
    const Line& line = found.lines.front();
    EXPECT_EQ(line.level, level) << line.text.en;
    EXPECT_EQ(line.table, table);
    for (const std::string& word : words) {
      EXPECT_NE(line.text.en.find(word), std::string::npos) << word << " in: " << line.text.en;
      EXPECT_NE(line.text.zh.find(word), std::string::npos) << word << " in: " << line.text.zh;
    }
    EXPECT_EQ(found.state, level == Level::error ? State::needs_repair : State::ready);
    EXPECT_EQ(found.possible(), level != Level::error);
  }
  void expect_none() {
    const Plan found = plan();
    EXPECT_EQ(found.state, State::ready);
    for (const Line& line : found.lines) ADD_FAILURE() << line.table << ": " << line.text.en;
  }
  // On PostgreSQL a function and a trigger that calls it.
  std::vector<std::string> trigger(const std::string& body) {
    if (sqlite()) return {"CREATE TRIGGER newu AFTER INSERT ON \"user\" BEGIN " + body + "; END"};
    return {"CREATE FUNCTION newu() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + body + "; RETURN NEW; END $$",
            "CREATE TRIGGER newu AFTER INSERT ON \"user\" FOR EACH ROW EXECUTE FUNCTION newu()"};
  }
  std::string drop_trigger() { return sqlite() ? "DROP TRIGGER \"newu\"" : "DROP TRIGGER \"newu\" ON \"user\""; }

};

TEST_P(Remarks, AViewOfOthersUnderAPublishedNameStopsARepair) {
  for (const char* name : {"flux_tasks", "credit"}) {
    run({fmt::format("DROP VIEW {}", name), "CREATE TABLE cfg_elsewhere (id TEXT)", fmt::format("CREATE VIEW {} AS SELECT * FROM cfg_elsewhere", name)});
    expect_one(Level::error, name, {fmt::format("DROP VIEW \"{}\"", name), fmt::format("ALTER TABLE … RENAME TO \"{}\"", name)});
    run({fmt::format("DROP VIEW \"{}\"", name), "DROP TABLE cfg_elsewhere"});
    database_->write_now([](Tx& tx) { create_missing(tx, 1); });
    expect_none();
  }
}

TEST_P(Remarks, AViewThatReadsOurTablesIsMadeAnew) {
  run({"DROP VIEW credit", "CREATE VIEW credit AS SELECT user_id AS mine FROM fg_credit_account"});
  EXPECT_TRUE(plan().possible());
  EXPECT_EQ(plan().state, State::needs_repair);
}

TEST_P(Remarks, AViewUnderAnotherOldNameStopsARepair) {
  run({"CREATE TABLE elsewhere (id TEXT)", "CREATE VIEW mj_config AS SELECT * FROM elsewhere"});
  expect_one(Level::error, "mj_config", {"DROP VIEW \"mj_config\""});
}

TEST_P(Remarks, AViewWhereATableBelongsStopsARepair) {
  for (const char* name : {"user", "fg_redemption_code"}) {
    run({fmt::format("ALTER TABLE \"{}\" RENAME TO elsewhere", name), fmt::format("CREATE VIEW \"{}\" AS SELECT * FROM elsewhere", name)});
    expect_one(Level::error, name, {fmt::format("DROP VIEW \"{}\"", name), fmt::format("RENAME TO \"{}\"", name)});
    run({fmt::format("DROP VIEW \"{}\"", name), fmt::format("ALTER TABLE elsewhere RENAME TO \"{}\"", name)});
    expect_none();
  }
}

TEST_P(Remarks, AnIndexUnderANameOfOursStopsARepair) {
  run({"DROP VIEW credit", "CREATE INDEX credit ON fg_alert (kind)"});
  expect_one(Level::error, "credit", {"INDEX", "DROP INDEX \"credit\""});
  if (sqlite()) return;
  run({"DROP INDEX credit", "CREATE SEQUENCE credit"});
  expect_one(Level::error, "credit", {"SEQUENCE", "DROP SEQUENCE \"credit\""});
  run({"DROP SEQUENCE credit", "CREATE MATERIALIZED VIEW credit AS SELECT user_id FROM fg_credit_account"});
  expect_one(Level::error, "credit", {"DROP MATERIALIZED VIEW \"credit\""});
}

TEST_P(Remarks, ATriggerThatWritesToAPublishedNameStopsARepair) {
  for (const char* body : {"INSERT INTO credit (id) VALUES (NEW.id)", "UPDATE \"credit\" SET credit = 1", "DELETE FROM \"public\".\"credit\""}) {
    if (sqlite() && std::string_view(body).contains("public")) continue;  // it takes no schema there
    run(trigger(body));
    expect_one(Level::error, "user", {"newu", "credit", drop_trigger()});
    run({drop_trigger()});
    if (!sqlite()) run({"DROP FUNCTION newu()"});
    expect_none();
  }
}

TEST_P(Remarks, AnotherTriggerIsAWarning) {
  run({"CREATE TABLE log (credit TEXT)"});
  run(trigger("INSERT INTO log (credit) SELECT id FROM credit WHERE user_id = NEW.id"));
  expect_one(Level::warning, "user", {"newu", drop_trigger()});
  if (sqlite()) return;
  run({"ALTER TABLE \"user\" DISABLE TRIGGER newu"});
  expect_none();
}

TEST_P(Remarks, ATriggerOnATableOfOthersIsTheirs) {
  run({"CREATE TABLE log (credit TEXT)"});
  if (sqlite()) run({"CREATE TRIGGER mine AFTER INSERT ON log BEGIN DELETE FROM log; END"});
  expect_none();
}

TEST_P(Remarks, SettingsThatCannotBeReadAreNamedByTheirRow) {
  for (const char* unreadable : {"{broken", "[]"}) {
    if (!sqlite() && std::string_view(unreadable) == "{broken") continue;  // the column's type refuses it
    run({"DELETE FROM config", fmt::format("INSERT INTO config (id, data, version) VALUES (3, '{}', 0)", unreadable)});
    expect_one(Level::warning, "config", {"UPDATE config SET data = '…' WHERE id = 3", "DELETE FROM config WHERE id = 3"});
  }
  for (const char* readable : {"null", "{}", R"({"ui": {"enable_signup": false}})"}) {
    run({"DELETE FROM config", "INSERT INTO config (id, data, version) VALUES (3, '[]', 0)",
         fmt::format("INSERT INTO config (id, data, version) VALUES (4, '{}', 0)", readable)});
    expect_none();  // the highest id is what holds
  }
}

TEST_P(Remarks, SettingsThatCannotBeReadAreNamedByTheirKey) {
  run({"DROP TABLE config", "CREATE TABLE config (key TEXT PRIMARY KEY, value TEXT NOT NULL, updated_at BIGINT NOT NULL)",
       "INSERT INTO config VALUES ('ui.enable_signup', '{x', 1), ('ui.banners', '[]', 1)"});
  expect_one(Level::warning, "config", {"ui.enable_signup", "UPDATE config SET value = '…' WHERE key = 'ui.enable_signup'"});
}

INSTANTIATE_TEST_SUITE_P(Engines, Remarks, testing::Values(Dialect::sqlite, Dialect::postgresql),
                         [](const auto& info) { return std::string(info.param == Dialect::sqlite ? "Sqlite" : "Postgresql"); });

TEST(RemarksOfEncoding, AnotherThanUtf8StopsARepairEvenOfAnEmptyDatabase) {
  auto& server = test::PostgresServer::shared();
  for (const char* encoding : {"SQL_ASCII", "LATIN1"}) {
    const std::string name = fmt::format("in_{}", new_id().substr(0, 8) + encoding);
    const std::string command = fmt::format("psql -q -v ON_ERROR_STOP=1 '{}' -c \"CREATE DATABASE \\\"{}\\\" ENCODING '{}' LC_COLLATE 'C' LC_CTYPE 'C' "
                                            "TEMPLATE template0\"", server.url("postgres"), name, encoding);
    ASSERT_EQ(std::system(command.c_str()), 0);
    const Plan plan = open(server.url(name))->read_now([](Tx& tx) { return make_plan(tx, {}); });
    EXPECT_EQ(plan.state, State::needs_repair);
    EXPECT_FALSE(plan.possible());
    ASSERT_EQ(plan.lines.size(), 1u);
    for (const char* word : {encoding, "ENCODING 'UTF8'", "DATABASE_URL"}) {
      EXPECT_NE(plan.lines[0].text.en.find(word), std::string::npos) << plan.lines[0].text.en;
      EXPECT_NE(plan.lines[0].text.zh.find(word), std::string::npos) << plan.lines[0].text.zh;
    }
  }
  EXPECT_TRUE(open(server.new_database())->read_now([](Tx& tx) { return make_plan(tx, {}).lines; }).empty());
}

}  // namespace
}  // namespace fluxgate::db

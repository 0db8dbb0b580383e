// Every variant of an old database, taken over on both engines; rows in = rows out.
#include "db/adopt/adopt.h"

#include <array>
#include <filesystem>
#include <map>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/crypto.h"
#include "base/ids.h"
#include "db/adopt/old_tasks.h"
#include "db/introspect.h"
#include "db/repair.h"
#include "db/schema.h"
#include "support/postgres_server.h"
#include "support/seed_database.h"
#include "test_paths.h"

namespace fluxgate::db::adopt {
namespace {

using test::SeedVariant;

constexpr Millis kNow = 1'756'123'200'000;  // 2025-08-25 12:00 UTC

class OldDatabase {
 public:
  OldDatabase(Dialect dialect, const SeedVariant& variant) {
    folder_ = std::filesystem::temp_directory_path() / ("fluxgate-adopt-" + new_id());
    std::filesystem::create_directories(folder_);
    database_ = open(dialect == Dialect::sqlite ? "sqlite:///" + (folder_ / "webui.db").string()
                                                : test::PostgresServer::shared().new_database());
    const auto words = dialect == Dialect::sqlite ? test::SeedDialect::sqlite : test::SeedDialect::postgresql;
    run(test::seed_statements(FLUXGATE_SOURCE_DIR, variant, words));
  }
  ~OldDatabase() {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  OldDatabase(const OldDatabase&) = delete;

  void run(const std::vector<std::string>& statements) {
    database_->write_now([&](Tx& tx) {
      for (const std::string& statement : statements) tx.exec(statement);
    });
  }
  void run(const std::string& statement) { run(std::vector{statement}); }
  void make_views() {
    database_->write_now([](Tx& tx) { create_views(tx); });
  }

  bool needed() {
    return database_->read_now([](Tx& tx) { return adopt::needed(tx); });
  }
  Lines plan() {
    return database_->read_now([this](Tx& tx) { return adopt::plan(tx, options); });
  }
  Plan whole_plan() {
    return database_->read_now([this](Tx& tx) { return make_plan(tx, options); });
  }
  // As db repair does it.
  Lines take_over() {
    return database_->write_now([this](Tx& tx) {
      set_aside(tx, options);
      create_missing(tx, options.now);
      return carry_over(tx, options);
    });
  }

  Owed owed() {
    return database_->read_now([](Tx& tx) { return adopt::owed(tx); });
  }
  Lines give_back() {
    return database_->write_now([this](Tx& tx) { return adopt::give_back(tx, options.now); });
  }

  std::int64_t number(const std::string& sql) {
    return database_->read_now([&](Tx& tx) { return tx.number(sql); });
  }
  std::string text(const std::string& sql) {
    return database_->read_now([&](Tx& tx) {
      return tx.first(sql, {}, [](const Row& row) { return row.maybe_str(0); }).value_or(std::nullopt).value_or("(none)");
    });
  }
  std::map<std::string, std::int64_t> counts() {
    return database_->read_now([](Tx& tx) {
      std::map<std::string, std::int64_t> rows;
      for (const std::string& table : table_names(tx)) rows[table] = tx.number("SELECT COUNT(*) FROM " + db::quoted_name(table));
      return rows;
    });
  }
  Kind kind(const std::string& name) {
    return database_->read_now([&](Tx& tx) { return kind_of(tx, name); });
  }

  const crypto::Sealer sealer{std::string(32, 'k')};
  Options options{.now = kNow, .sealer = &sealer};

 private:
  std::filesystem::path folder_;
  std::unique_ptr<Database> database_;
};

std::string said(const Lines& lines) {
  std::string all;
  for (const Line& line : lines) all += fmt::format("{}: {}\n", line.table, line.text.en);
  return all;
}

void expect_books_in_order(OldDatabase& old) {
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_account a WHERE a.balance <> COALESCE((SELECT SUM(e.amount) FROM fg_credit_entry e "
                       "WHERE e.user_id = a.user_id), 0)"), 0);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_entry WHERE kind IN ('hold', 'release')"), 0);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_user_counter c WHERE c.n <> (SELECT COUNT(*) FROM fg_task t WHERE t.user_id = c.user_id "
                       "AND t.provider = c.provider AND t.status = c.status)"), 0);
  EXPECT_EQ(old.number("SELECT COALESCE(SUM(n), 0) FROM fg_user_counter"), old.number("SELECT COUNT(*) FROM fg_task"));
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_task_file f WHERE NOT EXISTS (SELECT 1 FROM generated_files g WHERE g.id = f.file_id)"), 0);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM \"user\" u WHERE NOT EXISTS (SELECT 1 FROM fg_credit_account a WHERE a.user_id = u.id)"), 0);
}

// ---- every variant ----

class Variants : public testing::TestWithParam<std::tuple<Dialect, int>> {
 protected:
  const SeedVariant& variant() const { return test::seed_variants()[static_cast<std::size_t>(std::get<1>(GetParam()))]; }
  Dialect dialect() const { return std::get<0>(GetParam()); }
};

TEST_P(Variants, AreTakenOverRowByRow) {
  if (variant().sqlite_only && dialect() == Dialect::postgresql) GTEST_SKIP() << "values that PostgreSQL cannot hold";
  OldDatabase old(dialect(), variant());
  const auto before = old.counts();
  ASSERT_TRUE(old.needed());
  const Lines plan = old.plan();
  EXPECT_FALSE(plan.empty());
  for (const Line& line : plan) EXPECT_NE(line.level, Level::error) << line.text.en;
  EXPECT_EQ(old.counts(), before);  // a plan changes nothing

  const Lines report = old.take_over();
  std::int64_t rows_in = 0, rows_out = 0, left_out = 0;
  for (const OldTasks& kind : old_tasks()) {
    const auto found = before.find(std::string(kind.table));
    const std::int64_t rows = found == before.end() ? 0 : found->second;
    const std::int64_t without_id = rows == 0 ? 0 : old.number(fmt::format("SELECT COUNT(*) FROM {}_legacy WHERE id IS NULL", kind.table));
    const std::int64_t taken = old.number(fmt::format("SELECT COUNT(*) FROM fg_task WHERE provider = '{}'", kind.provider));
    EXPECT_EQ(taken, rows - without_id) << kind.table << "\n" << said(report);
    rows_in += rows;
    rows_out += taken;
    left_out += without_id;
  }
  fmt::print("variant {} on {}: {} tasks in = {} out + {} without an id\n", variant().tag,
             dialect() == Dialect::sqlite ? "SQLite" : "PostgreSQL", rows_in, rows_out, left_out);
  for (const auto& [table, rows] : before) {
    const bool renamed = old.kind(table + "_legacy") == Kind::table;
    EXPECT_EQ(old.number(fmt::format("SELECT COUNT(*) FROM \"{}\"", renamed ? table + "_legacy" : table)) >= rows, true) << table;
  }
  expect_books_in_order(old);

  EXPECT_FALSE(old.needed());
  EXPECT_TRUE(old.plan().empty());
  const auto after = old.counts();
  EXPECT_EQ(said(old.take_over()), "");
  EXPECT_EQ(old.counts(), after);
}

INSTANTIATE_TEST_SUITE_P(Seed, Variants,
                         testing::Combine(testing::Values(Dialect::sqlite, Dialect::postgresql),
                                          testing::Range(0, static_cast<int>(test::seed_variants().size()))),
                         [](const auto& info) {
                           return std::string(test::seed_variants()[static_cast<std::size_t>(std::get<1>(info.param))].name) +
                                  (std::get<0>(info.param) == Dialect::sqlite ? "Sqlite" : "Postgresql");
                         });

// ---- what became of it ----

class Adopted : public testing::TestWithParam<Dialect> {};
INSTANTIATE_TEST_SUITE_P(Engines, Adopted, testing::Values(Dialect::sqlite, Dialect::postgresql),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgresql"; });

std::string task_field(OldDatabase& old, std::string_view legacy_id, std::string_view column) {
  return old.text(fmt::format("SELECT CAST({} AS TEXT) FROM fg_task WHERE legacy_id = '{}'", column, legacy_id));
}

TEST_P(Adopted, TasksEndAsTheirRowsSay) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  const std::string report = said(old.take_over());
  const std::pair<const char*, const char*> ends[] = {
      {"f-1", "succeeded"}, {"f-2", "failed"},  {"f-3", "cancelled"}, {"f-4", "running"}, {"f-5", "failed"},
      {"f-6", "failed"},    {"f-7", "succeeded"}, {"f-8", "succeeded"}, {"1755600000000001", "succeeded"},
      {"1755600000000002", "failed"}, {"1755600000000003", "failed"}, {"d-1", "succeeded"}, {"d-2", "failed"},
      {"k-1", "succeeded"}, {"k-2", "failed"}, {"k-3", "failed"}, {"j-1", "succeeded"}, {"s-1", "succeeded"}};
  for (const auto& [id, status] : ends) EXPECT_EQ(task_field(old, id, "status"), status) << id << "\n" << report;
  for (const char* lost : {"f-5", "f-6", "d-2", "k-2", "1755600000000003"})
    EXPECT_EQ(task_field(old, lost, "error_code"), "lost_by_previous_system") << lost;
  EXPECT_NE(task_field(old, "k-2", "error_message").find("50 credits"), std::string::npos);
  for (const char* told : {"2 unfinished tasks were lost by the previous system and are shown as failed; nothing was taken for them.",
                           "1 unfinished tasks were lost by the previous system and are shown as failed; 50 credits were taken for them;"})
    EXPECT_NE(report.find(told), std::string::npos) << told << "\n" << report;
  EXPECT_NE(task_field(old, "f-2", "error_message").find("the upstream said no"), std::string::npos);
  EXPECT_NE(task_field(old, "k-3", "error_message").find("risk control"), std::string::npos);
  EXPECT_EQ(task_field(old, "f-1", "created_at"), "1755682200000");
  EXPECT_EQ(task_field(old, "f-1", "completed_at"), "1755682205123");
  EXPECT_EQ(task_field(old, "k-1", "endpoint"), "text_to_video");
  EXPECT_EQ(task_field(old, "s-1", "endpoint"), "lip_sync");
  EXPECT_EQ(task_field(old, "1755600000000002", "parent_id"), task_field(old, "1755600000000001", "id"));
  EXPECT_EQ(task_field(old, "f-7", "inputs"), R"(["https://cdn.old.example/in/1.png","https://cdn.old.example/in/2.png"])");
  EXPECT_EQ(task_field(old, "j-1", "inputs"), R"(["https://cdn.old.example/in/waves.png"])");
  EXPECT_EQ(task_field(old, "d-2", "inputs"), "(none)");  // base64 stays in the old table
  const auto params = boost::json::parse(task_field(old, "f-1", "params")).as_object();
  EXPECT_EQ(params.at("guidance_scale"), 3.5);
  EXPECT_EQ(params.at("num_inference_steps"), 28);
  EXPECT_EQ(params.at("enable_safety_checker"), true);
  EXPECT_EQ(params.at("safety_tolerance"), "2");
  EXPECT_FALSE(params.contains("image_size"));
  // Newest first, as the history sorts.
  EXPECT_EQ(old.text("SELECT legacy_id FROM fg_task WHERE provider = 'flux' ORDER BY id DESC"), "f-6");
}

TEST_P(Adopted, ResultsPreferTheStoredCopyAndKeepFurtherImages) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.take_over();
  const auto file = [&](std::string_view legacy_id, int position, std::string_view column) {
    return old.text(fmt::format("SELECT {} FROM fg_task_file f JOIN generated_files g ON g.id = f.file_id JOIN fg_task t ON t.id = f.task_id "
                                "WHERE t.legacy_id = '{}' AND f.position = {}", column, legacy_id, position));
  };
  EXPECT_EQ(file("f-1", 0, "g.id"), "aaaaaaaa-0000-4000-8000-000000000001");
  EXPECT_EQ(file("f-1", 0, "g.storage_provider"), "tencent-cos");
  EXPECT_EQ(file("f-1", 0, "g.cloud_path"), "generated/images/one.jpg");
  EXPECT_EQ(file("f-1", 0, "g.mime_type"), "image/jpeg");
  EXPECT_EQ(file("f-1", 1, "g.cloud_url"), "https://fal.media/files/a/two.png");
  EXPECT_EQ(file("f-1", 1, "g.storage_provider"), "link");
  EXPECT_EQ(file("f-1", 1, "f.mime"), "image/png");
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_task_file f JOIN fg_task t ON t.id = f.task_id WHERE t.legacy_id = 'f-1'"), 2);
  EXPECT_EQ(file("d-1", 0, "g.cloud_url"), "https://elsewhere.example/lake.jpg");  // the row's own text is empty
  EXPECT_EQ(file("k-1", 0, "g.cloud_path"), "generated/videos/1.mp4");              // by the bucket's default host
  EXPECT_EQ(file("j-1", 0, "f.mime"), "video/mp4");
  EXPECT_EQ(file("f-8", 0, "g.cloud_url"), "https://fal.media/files/a/eight.png");
  EXPECT_EQ(file("f-7", 0, "g.id"), "(none)");
  EXPECT_EQ(old.text("SELECT status FROM generated_files WHERE id = 'aaaaaaaa-0000-4000-8000-000000000004'"), "failed");
  // Files name tasks by the ids that the views show: the two that were there, and the second image.
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM flux_tasks t JOIN generated_files g ON g.source_task_id = t.id WHERE t.id = 'f-1'"), 3);
}

TEST_P(Adopted, YoungTasksWithARequestIdGoOn) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.take_over();
  const auto attempt = [&](std::string_view column) {
    return old.text(fmt::format("SELECT CAST(a.{} AS TEXT) FROM fg_task_attempt a JOIN fg_task t ON t.id = a.task_id WHERE t.legacy_id = 'f-4'", column));
  };
  EXPECT_EQ(attempt("account_id"), "flux-default");
  EXPECT_EQ(attempt("sent_at"), std::to_string(kNow));
  const auto reference = boost::json::parse(attempt("reference")).as_object();
  EXPECT_EQ(reference.at("app"), "fal-ai/flux-1");
  EXPECT_EQ(reference.at("status_path"), "/fal-ai/flux-1/requests/req-4/status");
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_task_attempt"), 1);
  EXPECT_EQ(task_field(old, "f-4", "owner"), "adopted");
}

TEST_P(Adopted, TasksWithoutAKeyToAskWithAreLost) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.run("UPDATE flux_config SET api_key = 'fal-id:f****'");
  const std::string report = said(old.take_over());
  EXPECT_EQ(task_field(old, "f-4", "error_code"), "lost_by_previous_system");
  EXPECT_NE(report.find("The key of flux is missing"), std::string::npos) << report;
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_upstream_account WHERE provider = 'flux'"), 0);
}

TEST_P(Adopted, ATaskOfExactlyADayIsTooOldAndOneAMillisecondYoungerIsNot) {
  for (const auto& [at, status] : {std::pair("2025-08-24 12:00:00", "failed"), std::pair("2025-08-24 12:00:00.001", "running")}) {
    OldDatabase old(GetParam(), test::seed_variant("A"));
    old.run(fmt::format("UPDATE flux_tasks SET created_at = '{}' WHERE id = 'f-4'", at));
    old.take_over();
    EXPECT_EQ(task_field(old, "f-4", "status"), status) << at;
  }
}

TEST_P(Adopted, TheLedgerExplainsTheBalance) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  const std::string report = said(old.take_over());
  const auto balance = [&](std::string_view user) {
    return old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", user));
  };
  EXPECT_EQ(balance(test::kSeedAdmin), 100'000);
  EXPECT_EQ(balance(test::kSeedMember), 62'500);
  EXPECT_EQ(balance("33333333-3333-4333-8333-333333333333"), -3'250);
  EXPECT_EQ(balance("44444444-4444-4444-8444-444444444444"), 0);
  EXPECT_EQ(balance("55555555-5555-4555-8555-555555555555"), 0);  // never the default credit
  EXPECT_EQ(balance("gone-user"), 7'000);

  const auto entries = [&](std::string_view user) {
    std::string all;
    for (int i = 0;; ++i) {
      const auto entry = old.text(fmt::format("SELECT kind || ' ' || amount || ' ' || balance_after FROM fg_credit_entry WHERE user_id = '{}' "
                                              "ORDER BY id LIMIT 1 OFFSET {}", user, i));
      if (entry == "(none)") return all;
      all += entry + "; ";
    }
  };
  EXPECT_EQ(entries(test::kSeedMember),
            "open 100000 100000; capture -10000 90000; capture -2500 87500; redeem 25000 112500; capture -50000 62500; "
            "adjust 50000 112500; capture -50000 62500; ");
  EXPECT_EQ(entries(test::kSeedAdmin), "grant 500000 500000; capture -20000 480000; adjust -380000 100000; ");
  EXPECT_EQ(entries("33333333-3333-4333-8333-333333333333"), "open -3250 -3250; ");
  EXPECT_NE(old.text("SELECT reason FROM fg_credit_entry WHERE amount = -20000").find("the log says -30"), std::string::npos);
  for (const char* sentence : {"2 balances have fractions", "1 balances are negative", "1 entries name another amount"})
    EXPECT_NE(report.find(sentence), std::string::npos) << sentence << "\n" << report;
  EXPECT_EQ(old.number("SELECT amount FROM fg_redemption_code WHERE user_id IS NOT NULL"), 25'500);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_trade_ticket WHERE paid_at IS NOT NULL AND amount = 9900"), 1);
}

TEST_P(Adopted, GivesBackOnlyWhenAsked) {
  OldDatabase kept(GetParam(), test::seed_variant("A"));
  kept.take_over();
  EXPECT_EQ(task_field(kept, "k-2", "charged"), "50000");

  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.options.give_back = true;
  const std::string report = said(old.take_over());
  EXPECT_EQ(old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", test::kSeedMember)), 122'500) << report;
  EXPECT_EQ(task_field(old, "k-2", "charged"), "0");
  EXPECT_NE(report.find("the 50 credits taken for them are given back"), std::string::npos) << report;
  EXPECT_EQ(task_field(old, "1755600000000003", "charged"), "2000");  // nobody to give it to
  EXPECT_NE(task_field(old, "1755600000000003", "error_message").find("an administrator can give them back"), std::string::npos);
  EXPECT_NE(report.find("60 credits were given back for 2 lost tasks"), std::string::npos) << report;
  expect_books_in_order(old);
}

TEST_P(Adopted, GivesBackLaterToo) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.take_over();
  EXPECT_EQ(old.owed().tasks, 2);
  EXPECT_EQ(old.owed().amount, 60'000);
  EXPECT_NE(task_field(old, "k-2", "error_message").find("an administrator can give them back"), std::string::npos);
  EXPECT_NE(said(old.give_back()).find("60 credits were given back for 2 lost tasks"), std::string::npos);
  EXPECT_EQ(old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", test::kSeedMember)), 122'500);
  EXPECT_NE(task_field(old, "k-2", "error_message").find("were given back"), std::string::npos);
  EXPECT_EQ(old.owed().tasks, 0);
  EXPECT_EQ(said(old.give_back()), "") << "once";
  expect_books_in_order(old);
}

// The old platform gave back what it took for d-2 (its log says so), k-2 (likewise) and s-1 (lip-sync's own list says so).
std::vector<std::string> refunded_by_the_fork(Dialect dialect) {
  const std::string_view json = dialect == Dialect::sqlite ? "" : "::json";
  return {
      fmt::format("INSERT INTO credit_log VALUES ('l09', '{}', 72.5, '{{\"desc\": \"DreamWork: DreamWork-IMAGE_TO_IMAGE-error-refund\", "
                  "\"api_params\": {{\"task_id\": \"d-2\"}}, \"usage\": {{\"service\": \"dreamwork\", \"credits\": 10}}}}', 1756123140)", test::kSeedMember),
      "UPDATE credit SET credit = 72.5 WHERE id = 'a2'",
      fmt::format("UPDATE credit_log SET detail = REPLACE(CAST(detail AS TEXT), 'k-9', 'k-2'){} WHERE id = 'l05'", json),
      "UPDATE kling_lip_sync_tasks SET status = 'submitted', video_url = NULL WHERE id = 's-1'",
      fmt::format("INSERT INTO kling_lip_sync_credits VALUES ('y2', '{}', 's-1', 50, 'refund', '2025-08-24 10:00:09')", test::kSeedMember)};
}

TEST_P(Adopted, GivesNothingBackThatTheForkGaveBackItself) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.run(refunded_by_the_fork(GetParam()));
  old.options.give_back = true;
  const std::string report = said(old.take_over());
  EXPECT_EQ(old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", test::kSeedMember)), 72'500) << report;
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_entry WHERE kind = 'grant' AND reason LIKE 'given back%'"), 0);
  for (const char* id : {"d-2", "k-2", "s-1"}) {
    EXPECT_EQ(task_field(old, id, "error_code"), "lost_by_previous_system") << id;
    EXPECT_EQ(task_field(old, id, "charged"), "0") << id;
    EXPECT_NE(task_field(old, id, "error_message").find("taken for it were given back"), std::string::npos) << id;
  }
  EXPECT_NE(report.find("dreamwork_tasks_legacy: 1 unfinished tasks were lost by the previous system and are shown as failed; what was taken for "
                        "them had been given back."), std::string::npos) << report;
  EXPECT_EQ(old.owed().tasks, 0);
  expect_books_in_order(old);
}

TEST_P(Adopted, GivesNothingBackTwiceOfWhatAnEarlierVersionTookOver) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.run(refunded_by_the_fork(GetParam()));
  old.run(fmt::format("UPDATE mj_tasks SET user_id = '{}' WHERE id = '1755600000000003'", test::kSeedAdmin));
  old.take_over();
  old.run("UPDATE fg_task SET charged = quote WHERE error_code = 'lost_by_previous_system'");  // as it left them: it did not look into the log
  EXPECT_EQ(old.owed().tasks, 1);
  EXPECT_EQ(old.owed().amount, 2'000);
  EXPECT_NE(said(old.give_back()).find("2 credits were given back for 1 lost tasks"), std::string::npos);
  EXPECT_EQ(old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", test::kSeedMember)), 72'500);
  EXPECT_EQ(old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", test::kSeedAdmin)), 102'000);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_task WHERE error_code = 'lost_by_previous_system' AND charged <> 0"), 0);
  expect_books_in_order(old);
}

// What a plan and a report say of how many rows of a table are taken over: "credit 6 → 5".
std::string promises(const Lines& lines) {
  std::map<std::string, std::string> all;
  for (const Line& line : lines)
    if (line.rows_in != 0) all[line.table.substr(0, line.table.find("_legacy"))] = fmt::format("{} → {}", line.rows_in, line.rows_out);
  std::string text;
  for (const auto& [table, rows] : all)
    if (table.starts_with("credit") || table.ends_with("_tasks") || table == "redemption_code" || table == "trade_ticket")
      text += fmt::format("{} {}\n", table, rows);
  return text;
}

// Money is never lost without a word: what cannot be taken over is named with its reason, before and after.
TEST_P(Adopted, MoneyThatCannotBeReadIsNamedInThePlan) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.run(std::vector<std::string>{
      // Without its keys and types, as after CREATE TABLE … AS SELECT.
      "CREATE TABLE plain AS SELECT user_id, CAST(credit AS TEXT) AS credit, created_at, updated_at FROM credit", "DROP TABLE credit",
      "ALTER TABLE plain RENAME TO credit",
      "UPDATE credit SET credit = '10000000000000' WHERE user_id = '33333333-3333-4333-8333-333333333333'",
      "UPDATE credit SET credit = '1000000000000000' WHERE user_id = '44444444-4444-4444-8444-444444444444'",
      "UPDATE credit SET credit = 'a lot' WHERE user_id = 'gone-user'",
      fmt::format("INSERT INTO credit VALUES ('{}', '1', 1755700000, 1755700000)", test::kSeedAdmin), "INSERT INTO credit VALUES (NULL, '1', 1, 1)",
      "CREATE TABLE plain AS SELECT code, purpose, user_id, CAST(amount AS TEXT) AS amount, created_at, expired_at, received_at FROM redemption_code",
      "DROP TABLE redemption_code", "ALTER TABLE plain RENAME TO redemption_code",
      "INSERT INTO redemption_code VALUES ('cc00000000000000', 'x', NULL, 'abc', 1, 1, NULL), ('', 'x', NULL, '5', 1, 1, NULL), "
      "('aa00000000000000000000000000000000000000000000000000000000000000', 'again', NULL, '5', 1, 1, NULL)",
      "INSERT INTO trade_ticket VALUES ('t-null', 'u', NULL, NULL, 1)",
      "INSERT INTO trade_ticket VALUES ('t-nobody', '', 5, NULL, 1)"});
  const Lines plan = old.plan(), report = old.take_over();
  EXPECT_EQ(promises(plan), promises(report));
  EXPECT_NE(promises(plan).find("credit 7 → 5\n"), std::string::npos) << promises(plan);
  EXPECT_NE(promises(plan).find("redemption_code 5 → 2\n"), std::string::npos) << promises(plan);
  EXPECT_NE(promises(plan).find("trade_ticket 4 → 2\n"), std::string::npos) << promises(plan);
  for (const std::string& told : {said(plan), said(report)})
    for (const char* line : {"2 balances are no numbers below 10^15 and count as 0: 44444444-4444-4444-8444-444444444444 (1000000000000000), gone-user (a lot).",
                             "1 rows are left out, as there is one with their user_id already: 11111111-1111-4111-8111-111111111111.",
                             "1 rows without a user_id are left out.", "1 rows without a code are left out.",
                             "1 rows are left out, as their amount is no number below 10^15: cc000000….",
                             "1 rows are left out, as there is one with their code already: aa000000….",
                             "1 rows are left out, as their amount is no number below 10^15: t-null.",
                             "1 rows are left out, as they name no user: t-nobody."})
      EXPECT_NE(told.find(line), std::string::npos) << line << " in:\n" << told;
  EXPECT_EQ(old.number("SELECT balance FROM fg_credit_account WHERE user_id = '33333333-3333-4333-8333-333333333333'"), 10'000'000'000'000'000);
  EXPECT_EQ(old.number("SELECT balance FROM fg_credit_account WHERE user_id = 'gone-user'"), 0);
  expect_books_in_order(old);
}

TEST_P(Adopted, OfMoneyThatComesBackThePlanPromisesNothing) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.take_over();
  old.make_views();
  old.run(std::vector<std::string>{"DROP VIEW credit", "CREATE TABLE credit AS SELECT * FROM credit_legacy", "UPDATE credit SET credit = 1000",
                                   "INSERT INTO credit (id, user_id, credit) VALUES ('new', 'somebody new', 3)", "DROP VIEW credit_log",
                                   "CREATE TABLE credit_log AS SELECT * FROM credit_log_legacy"});
  const Lines plan = old.plan(), report = old.take_over();
  EXPECT_EQ(promises(plan), "credit 6 → 1\ncredit_log 8 → 0\n") << said(plan);
  EXPECT_EQ(promises(report), promises(plan)) << said(report);
  for (const std::string& told : {said(plan), said(report)}) {
    EXPECT_NE(told.find("5 rows are left out, as there is one with their user_id already"), std::string::npos) << told;
    EXPECT_NE(told.find("8 entries of users whose ledger has begun already, or of nobody, are left out (11111111"), std::string::npos) << told;
  }
  EXPECT_EQ(old.number(fmt::format("SELECT balance FROM fg_credit_account WHERE user_id = '{}'", test::kSeedMember)), 62'500);
  expect_books_in_order(old);
}

TEST_P(Adopted, EntriesWithoutADateFollowTheAccountOrTheEntryBefore) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.run("UPDATE credit_log SET created_at = NULL WHERE user_id = '11111111-1111-4111-8111-111111111111' AND id = 'l07'");
  const std::string report = said(old.take_over());
  EXPECT_NE(report.find("1 entries have no date"), std::string::npos) << report;
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_entry WHERE reason = 'updated by Admin' AND created_at IN (1740000000000, 1755500100000)"), 1);
  expect_books_in_order(old);
}

TEST_P(Adopted, RefundsNameTheirTask) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  auto statements = refunded_by_the_fork(GetParam());
  statements.push_back("INSERT INTO credit_log SELECT 'again', user_id, credit, detail, created_at FROM credit_log WHERE id = 'l05'");
  old.run(statements);
  old.take_over();
  old.make_views();
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_entry e JOIN fg_task t ON t.id = e.task_id WHERE t.legacy_id = 'k-2' AND e.kind = 'adjust'"), 1);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_entry WHERE kind = 'capture' AND task_id IS NOT NULL"), 0);  // would count as a hold
  const auto detail = boost::json::parse(old.text("SELECT CAST(detail AS TEXT) FROM credit_log WHERE CAST(detail AS TEXT) LIKE '%IMAGE_TO_IMAGE-error-refund%'"));
  EXPECT_EQ(detail.at("api_params").at("task_id"), "d-2");
  EXPECT_EQ(detail.at("usage").at("service"), "dreamwork");
  expect_books_in_order(old);
}

TEST_P(Adopted, TasksOfOneIdAreAllKeptAndNoneTwice) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  const auto copy = [](std::string_view user, std::string_view prompt) {
    return fmt::format("INSERT INTO kling_tasks (id, user_id, action, status, prompt, credits_cost, created_at, updated_at) VALUES "
                       "('k-1', '{}', 'TEXT_TO_VIDEO', 'failed', '{}', 50, '2025-08-19 10:40:00', '2025-08-19 10:40:00')", user, prompt);
  };
  old.run(std::vector<std::string>{"CREATE TABLE plain AS SELECT * FROM kling_tasks", "DROP TABLE kling_tasks", "ALTER TABLE plain RENAME TO kling_tasks",
                                   copy(test::kSeedAdmin, "mine"), copy(test::kSeedAdmin, "mine"), copy(test::kSeedMember, "a second one"),
                                   copy(test::kSeedMember, "a river")});
  const Lines plan = old.plan(), report = old.take_over();
  EXPECT_NE(promises(plan).find("kling_tasks 7 → 5\n"), std::string::npos) << said(plan);
  EXPECT_EQ(promises(plan), promises(report)) << said(report);
  for (const std::string& told : {said(plan), said(report)})
    for (const char* line : {"2 rows are left out, as their tasks are in the history already", "2 tasks have the id of another; they get ids of their own, such as k-1~"})
      EXPECT_NE(told.find(line), std::string::npos) << line << " in:\n" << told;
  EXPECT_EQ(task_field(old, "k-1", "prompt"), "a river");
  const auto tasks = [&](std::string_view user, std::string_view prompt) {
    return old.number(fmt::format("SELECT COUNT(*) FROM fg_task WHERE legacy_id LIKE 'k-1~%' AND LENGTH(legacy_id) = 12 AND user_id = '{}' AND prompt = '{}'", user, prompt));
  };
  EXPECT_EQ(tasks(test::kSeedAdmin, "mine"), 1);
  EXPECT_EQ(tasks(test::kSeedMember, "a second one"), 1);
  expect_books_in_order(old);
  // The same again: nothing is new, and the plan knows.
  old.make_views();
  old.run(std::vector<std::string>{"DROP VIEW kling_tasks", "CREATE TABLE kling_tasks AS SELECT * FROM kling_tasks_legacy",
                                   "INSERT INTO kling_tasks (id, user_id, action, status, prompt, created_at, updated_at) VALUES ('k-1', 'somebody', "
                                   "'TEXT_TO_VIDEO', 'failed', 'new', '2025-08-19 10:40:00', '2025-08-19 10:40:00')"});
  const Lines again = old.plan();
  EXPECT_EQ(promises(again), "kling_tasks 8 → 1\n") << said(again);
  EXPECT_NE(said(again).find("the table stays as kling_tasks_legacy_2."), std::string::npos) << said(again);
  EXPECT_EQ(said(again).find("unfinished"), std::string::npos) << "k-2 is, and is left out:\n" << said(again);
  EXPECT_EQ(promises(old.take_over()), promises(again));
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_task WHERE provider = 'kling'"), 6);
  expect_books_in_order(old);
}

TEST_P(Adopted, TasksAreAsOldAsTheBestTimeOfTheirRow) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  const auto insert = [](std::string_view id, std::string_view finished, std::string_view created, std::string_view updated) {
    return fmt::format("INSERT INTO dreamwork_tasks (id, user_id, action, status, prompt, credits_cost, finish_time, created_at, updated_at) VALUES "
                       "('{}', '{}', 'TEXT_TO_IMAGE', 'FAILURE', 'x', 0, {}, {}, {})", id, test::kSeedMember, finished, created, updated);
  };
  old.run(std::vector<std::string>{insert("finished", "'2025-08-03 00:00:00'", "NULL", "NULL"), insert("bare", "NULL", "NULL", "NULL"),
                                   insert("updated", "NULL", GetParam() == Dialect::sqlite ? "'infinity'" : "TIMESTAMP 'infinity'", "'2025-08-04 00:00:00'")});
  const std::string plan = said(old.plan()), report = said(old.take_over());
  for (const char* column : {"created_at", "updated_at", "completed_at"}) {
    EXPECT_EQ(task_field(old, "finished", column), "1754179200000") << column;
    EXPECT_EQ(task_field(old, "bare", column), "1754179200000") << column;  // no other is older
    EXPECT_EQ(task_field(old, "updated", column), "1754265600000") << column;
  }
  EXPECT_NE(plan.find("dreamwork_tasks: 1 tasks have no date at all; they count as made at 2025-08-03 00:00:00 UTC"), std::string::npos) << plan;
  EXPECT_NE(report.find("dreamwork_tasks_legacy: 1 tasks have no date at all; they count as made at 2025-08-03 00:00:00 UTC"), std::string::npos) << report;
  EXPECT_EQ(plan.find("kling_tasks: 1 tasks have no date"), std::string::npos) << plan;
  EXPECT_EQ(old.text("SELECT legacy_id FROM fg_task WHERE provider = 'dreamwork' ORDER BY id DESC"), "d-2");
}

TEST_P(Adopted, FilesThatLieNowhereCountAsFailed) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  const auto insert = [](std::string_view id, std::string_view local, std::string_view url) {
    return fmt::format("INSERT INTO generated_files (id, user_id, filename, file_type, storage_provider, local_path, cloud_url, source_type, status, "
                       "created_at, updated_at) VALUES ('{}', '{}', 'x.jpg', 'image', 'local', {}, {}, 'flux', 'uploaded', '2025-08-20 00:00:00', "
                       "'2025-08-20 00:00:00')", id, test::kSeedMember, local, url);
  };
  old.run(std::vector<std::string>{insert("gf1", "NULL", "NULL"), insert("gf2", "''", "''"), insert("gf3", "''", "'https://elsewhere.example/x.jpg'")});
  const std::string plan = said(old.plan()), report = said(old.take_over());
  for (const std::string& told : {plan, report})
    EXPECT_NE(told.find("generated_files: 2 files are called uploaded, but nothing says where they lie; they count as failed."), std::string::npos) << told;
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM generated_files WHERE id IN ('gf1', 'gf2') AND status = 'failed' AND error_message <> ''"), 2);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM generated_files WHERE id = 'gf3' AND status = 'uploaded' AND storage_provider = 'link' AND local_path IS NULL"), 1);
}

TEST_P(Adopted, WhatStoodInBase64BecomesFiles) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  std::vector<std::string> kept;
  old.options.keep = [&](std::string_view bytes) -> std::optional<KeptFile> {
    kept.emplace_back(bytes);
    if (!bytes.starts_with("\x89PNG")) return std::nullopt;
    return KeptFile{"aa/bb/picture.png", "aabb", "image/png", bytes.size()};
  };
  const std::string picture = crypto::base64("\x89PNG" + std::string(100, 'p')), words = crypto::base64(std::string(100, 'w'));
  old.run(std::vector<std::string>{
      fmt::format("UPDATE flux_tasks SET image_url = 'data:image/png;base64,{}', cloud_image_url = NULL, flux_response = NULL WHERE id = 'f-8'", picture),
      fmt::format("UPDATE dreamwork_tasks SET input_image = '{}' WHERE id = 'd-1'", picture),
      fmt::format("UPDATE kling_tasks SET input_image = '{}', image_tail = 'https://cdn.old.example/tail.png', static_mask = '{}' WHERE id = 'k-1'",
                  words, picture)});
  const std::string report = said(old.take_over());
  const auto file = [&](std::string_view legacy_id, std::string_view column) {
    return old.text(fmt::format("SELECT CAST({} AS TEXT) FROM fg_task_file f JOIN generated_files g ON g.id = f.file_id JOIN fg_task t "
                                "ON t.id = f.task_id WHERE t.legacy_id = '{}'", column, legacy_id));
  };
  EXPECT_EQ(task_field(old, "f-8", "status"), "succeeded");
  EXPECT_EQ(file("f-8", "g.local_path"), "aa/bb/picture.png");
  EXPECT_EQ(file("f-8", "g.storage_provider"), "local");
  EXPECT_EQ(file("f-8", "g.file_size"), "104");
  EXPECT_EQ(file("f-8", "f.sha256"), "aabb");
  EXPECT_EQ(file("f-8", "g.filename"), "result.png");
  EXPECT_EQ(task_field(old, "f-8", "result").find("base64"), std::string::npos);
  const auto input_of = [&](std::string_view legacy_id) {
    return old.text(fmt::format("SELECT g.id FROM generated_files g JOIN fg_file_use u ON u.file_id = g.id JOIN fg_task t ON t.id = u.task_id "
                                "WHERE t.legacy_id = '{}' AND g.source_task_id IS NULL AND g.user_id = t.user_id", legacy_id));
  };
  EXPECT_EQ(task_field(old, "d-1", "inputs"), fmt::format("[\"/files/{}/input.png\"]", input_of("d-1")));
  EXPECT_EQ(task_field(old, "k-1", "inputs"),
            fmt::format("[\"https://cdn.old.example/tail.png\",\"/files/{}/input.png\"]", input_of("k-1")));
  EXPECT_NE(report.find("kling_tasks_legacy: 1 pictures, films and sounds"), std::string::npos) << report;
  EXPECT_NE(report.find("kling_tasks_legacy: 1 values are no picture"), std::string::npos) << report;
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_task WHERE inputs LIKE '%base64%' OR params LIKE '%base64%'"), 0);
  expect_books_in_order(old);
}

TEST_P(Adopted, KeysAreSealedAndTheOldTablesForgetThem) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.options.flux_models = {"fal-ai/flux-1/schnell", "fal-ai/flux-1/dev"};
  const std::string report = said(old.take_over());
  const auto sealed = old.text("SELECT sealed_key FROM fg_upstream_account WHERE id = 'flux-default'");
  EXPECT_EQ(old.sealer.open(sealed).value_or(""), "fal-id:fal-secret");
  EXPECT_EQ(old.text("SELECT base_url FROM fg_upstream_account WHERE id = 'flux-default'"), "https://queue.fal.run");
  EXPECT_EQ(old.number("SELECT timeout_s FROM fg_upstream_account WHERE id = 'flux-default'"), 120);
  EXPECT_EQ(old.number("SELECT timeout_s FROM fg_upstream_account WHERE id = 'kling-default'"), 600);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_upstream_account"), 3);  // of jimeng and Midjourney no key is known
  EXPECT_NE(report.find("The key of midjourney is missing"), std::string::npos) << report;
  const auto settings = boost::json::parse(old.text("SELECT CAST(value AS TEXT) FROM fg_setting WHERE key = 'provider.flux'")).as_object();
  EXPECT_EQ(settings.at("enabled"), true);
  EXPECT_EQ(settings.at("model_credits"), (boost::json::object{{"fal-ai/flux-1/schnell", 5000}, {"fal-ai/flux-1/dev", 10000}}));
  EXPECT_NE(report.find("fal-ai/flux-pro"), std::string::npos) << report;
  for (const char* table : {"flux_config_legacy", "mj_config_legacy", "kling_config_legacy", "dreamwork_config_legacy"})
    EXPECT_EQ(old.number(fmt::format("SELECT COUNT(*) FROM {} WHERE api_key <> ''", table)), 0) << table;
  const auto secret = old.text("SELECT secret_key FROM cloud_storage_config");
  EXPECT_EQ(old.sealer.open(secret).value_or(""), "clear-secret");
}

// The plan says what is in the way; it fails at none of it.
TEST_P(Adopted, TablesThatOnlyHaveTheNameAreToBeRenamed) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.run({"CREATE TABLE flux_tasks_legacy (x TEXT)", "ALTER TABLE mj_tasks RENAME COLUMN status TO state", "CREATE TABLE fg_task (x TEXT)"});
  const Plan hindered = old.whole_plan();
  EXPECT_EQ(hindered.state, State::needs_repair);
  EXPECT_FALSE(hindered.possible());
  const std::string told = said(hindered.lines);
  for (const char* line : {"flux_tasks_legacy: It has no column id and cannot be taken over.", "ALTER TABLE flux_tasks_legacy RENAME TO my_flux_tasks_legacy",
                           "mj_tasks: It has no column status and cannot be taken over.", "ALTER TABLE mj_tasks ADD COLUMN status TEXT",
                           "fg_task: the column id is missing, so it is another table under this name. Rename it: ALTER TABLE fg_task RENAME TO my_fg_task"})
    EXPECT_NE(told.find(line), std::string::npos) << line << " in:\n" << told;
  // As they say.
  old.run({"ALTER TABLE flux_tasks_legacy RENAME TO my_flux_tasks_legacy", "ALTER TABLE mj_tasks ADD COLUMN status TEXT",
           "ALTER TABLE fg_task RENAME TO my_fg_task"});
  EXPECT_TRUE(old.whole_plan().possible()) << said(old.whole_plan().lines);
  old.take_over();
  EXPECT_TRUE(old.plan().empty());
}

// PostgreSQL keeps the names of tables, indexes, sequences and types in one place.
TEST_P(Adopted, NamesThatOtherThingsHaveTakenArePassedOver) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.run("CREATE INDEX flux_tasks_legacy ON flux_tasks (user_id)");
  old.run("CREATE VIEW credit_legacy AS SELECT 1 AS mine");
  if (GetParam() == Dialect::postgresql) old.run(std::vector<std::string>{"CREATE SEQUENCE mj_tasks_legacy", "CREATE TYPE mj_tasks_legacy_2 AS ENUM ('a')"});
  const std::int64_t tasks = old.number("SELECT COUNT(*) FROM flux_tasks"), accounts = old.number("SELECT COUNT(*) FROM credit");
  old.take_over();
  EXPECT_FALSE(old.needed());
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM flux_tasks_legacy_2"), tasks);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_once WHERE name = 'adopted:flux_tasks_legacy_2'"), 1);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM credit_legacy_2"), accounts);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM flux_tasks"), tasks);
}

TEST_P(Adopted, RepairShapesBecomeTheApplications) {
  const bool sqlite = GetParam() == Dialect::sqlite;
  OldDatabase old(GetParam(), test::seed_variant(sqlite ? "D" : "E"));
  const std::string plan = said(old.plan());
  old.take_over();
  EXPECT_EQ(old.text("SELECT domain FROM cloud_storage_config"), "https://cdn.old.example");
  EXPECT_EQ(old.text("SELECT base_path FROM cloud_storage_config"), "up/");
  EXPECT_EQ(old.text("SELECT provider FROM cloud_storage_config"), "tencent-cos");
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM cloud_storage_config WHERE enabled OR secret_key IS NOT NULL"), 0);  // masks are no keys
  EXPECT_EQ(old.text("SELECT storage_provider FROM generated_files WHERE cloud_url IS NOT NULL"), "link");
  EXPECT_EQ(task_field(old, "k-r", "quote"), "50250");
  EXPECT_EQ(task_field(old, "k-r", "model"), "kling-v1");
  EXPECT_EQ(task_field(old, "j-r", "status"), "succeeded");
  EXPECT_EQ(old.text("SELECT f.mime FROM fg_task_file f JOIN fg_task t ON t.id = f.task_id WHERE t.legacy_id = 'j-r'"), "image/png");
  EXPECT_EQ(task_field(old, "j-r", "inputs"), "(none)");
  if (!sqlite) return;
  EXPECT_NE(plan.find("mj_tasks: 3 tasks go into the history"), std::string::npos) << plan;
  EXPECT_NE(plan.find("mj_tasks: 1 rows without an id are left out."), std::string::npos) << plan;
  EXPECT_EQ(task_field(old, "half", "created_at"), "1755682200123");
  EXPECT_EQ(task_field(old, "half", "quote"), "0");
  EXPECT_NE(task_field(old, "half", "params").find("\"progress\":45"), std::string::npos);
  EXPECT_EQ(task_field(old, "nanos", "created_at"), "1755682200123");
  EXPECT_EQ(task_field(old, "nanos", "quote"), "100");
  EXPECT_EQ(old.number("SELECT created_at FROM folder WHERE id = 'fo-r'"), 1'755'682'200);
  EXPECT_EQ(old.number("SELECT created_at FROM folder WHERE id = 'fo-s'"), 1'755'682'200);
  EXPECT_EQ(old.number("SELECT created_at FROM channel WHERE id = 'ch-r'"), 1'755'682'200'000'000'000);
  EXPECT_EQ(old.number("SELECT created_at FROM channel WHERE id = 'ch-ns'"), 1'755'682'200'123'000'000);
  EXPECT_EQ(old.number("SELECT updated_at FROM channel WHERE id = 'ch-ns'"), 1'755'682'200'000'000'000);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM channel WHERE type IS NOT NULL"), 0);
  // Two rows of each had no id.
  for (const char* table : {"folder", "channel", "generated_files WHERE cloud_url IS NULL"})
    EXPECT_EQ(old.number(fmt::format("SELECT COUNT(*) FROM (SELECT id FROM {}) t WHERE LENGTH(id) = 36", table)), 2) << table;
}

TEST_P(Adopted, AHalfFinishedImportIsRecognisedByItsMarkersAndCompleted) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  old.take_over();
  const auto after = old.counts();
  old.run(std::vector<std::string>{
      "DELETE FROM fg_once WHERE name IN ('adopted:flux_tasks_legacy', 'adopted:credit_legacy', 'adopted:credit_log_legacy')",
      "DELETE FROM fg_task WHERE legacy_id = 'f-2'"});
  EXPECT_TRUE(old.needed());
  const std::string report = said(old.take_over());
  EXPECT_EQ(old.counts(), after) << report;
  EXPECT_NE(report.find("7 rows are left out, as their tasks are in the history already"), std::string::npos) << report;
  expect_books_in_order(old);
}

TEST_P(Adopted, ATableThatComesBackIsTakenOverAgain) {
  OldDatabase old(GetParam(), test::seed_variant("C"));
  old.take_over();
  old.run(std::vector<std::string>{
      "DROP VIEW mj_tasks",
      "CREATE TABLE mj_tasks (id VARCHAR(50) PRIMARY KEY, user_id VARCHAR(50), action VARCHAR(50), status VARCHAR(50), prompt TEXT)",
      fmt::format("INSERT INTO mj_tasks VALUES ('1755600000000001', '{}', 'IMAGINE', 'SUCCESS', 'a castle')", test::kSeedMember),
      "INSERT INTO mj_tasks VALUES ('1755600000000077', 'u', 'IMAGINE', 'FAILURE', 'another')"});
  EXPECT_TRUE(old.needed());
  old.take_over();
  EXPECT_EQ(old.kind("mj_tasks_legacy_2"), Kind::table);
  EXPECT_EQ(task_field(old, "1755600000000077", "status"), "failed");
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_task WHERE provider = 'midjourney'"), 4);
}

TEST_P(Adopted, WhatCannotBeDoneLeavesEverythingAsItWas) {
  OldDatabase old(GetParam(), test::seed_variant("A"));
  const auto before = old.counts();
  old.options.then = [](Tx&) { throw Failure("the disk is full"); };
  EXPECT_THROW(old.take_over(), Failure);
  EXPECT_EQ(old.counts(), before);
  EXPECT_EQ(old.text("SELECT api_key FROM flux_config"), "fal-id:fal-secret");
}

// ---- beside Open WebUI, whose migrations may come first or last ----

test::SeedDialect words_of(Dialect dialect) {
  return dialect == Dialect::sqlite ? test::SeedDialect::sqlite : test::SeedDialect::postgresql;
}

TEST_P(Adopted, OpenWebuiMigratesOnAfterUs) {
  for (const char* tag : {"O", "A"}) {
    OldDatabase old(GetParam(), test::seed_variant(tag));
    old.take_over();
    const auto before = old.counts();
    for (const auto& step : test::open_webui_upgrade(FLUXGATE_SOURCE_DIR, words_of(GetParam())))
      ASSERT_NO_THROW(old.run(step)) << tag << step.front();
    EXPECT_FALSE(old.needed());
    for (const auto& [table, rows] : before)
      if (table.starts_with("fg_")) EXPECT_EQ(old.number(fmt::format("SELECT COUNT(*) FROM {}", table)), rows) << table;
    expect_books_in_order(old);
  }
}

TEST_P(Adopted, WeComeAfterAnyStepOfOpenWebuisMigrations) {
  const auto steps = test::open_webui_upgrade(FLUXGATE_SOURCE_DIR, words_of(GetParam()));
  ASSERT_EQ(steps.size(), 7u);
  for (std::size_t done = 0; done <= steps.size(); ++done) {
    OldDatabase old(GetParam(), test::seed_variant("O"));
    for (std::size_t i = 0; i < done; ++i) old.run(steps[i]);
    const auto before = old.counts();
    const std::string report = said(old.take_over());
    for (const auto& [table, rows] : before) EXPECT_EQ(old.number(fmt::format("SELECT COUNT(*) FROM \"{}\"", table)), rows) << done << table;
    EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_account"), 5) << done << report;
    EXPECT_FALSE(old.needed()) << done;
    expect_books_in_order(old);
  }
}

TEST_P(Adopted, WeComeAfterOpenWebuiHasMigratedOn) {
  for (const char* tag : {"O", "A"}) {
    OldDatabase old(GetParam(), test::seed_variant(tag));
    for (const auto& step : test::open_webui_upgrade(FLUXGATE_SOURCE_DIR, words_of(GetParam()))) old.run(step);
    ASSERT_TRUE(old.needed());
    const Lines report = old.take_over();
    EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_account WHERE user_id LIKE '%-%-%-%-%'"), 5) << said(report);
    EXPECT_FALSE(old.needed());
    expect_books_in_order(old);
    // What they dropped stays dropped, what they made stays theirs.
    EXPECT_EQ(old.number("SELECT COUNT(*) FROM config WHERE key = 'ui.default_user_role'"), 1);
    EXPECT_EQ(old.number("SELECT COUNT(*) FROM api_key"), 1);
  }
}

TEST_P(Adopted, ANewDatabaseOfOursNeedsNothing) {
  OldDatabase old(GetParam(), {"", "", {}});
  EXPECT_FALSE(old.needed());
  EXPECT_TRUE(old.plan().empty());
  EXPECT_EQ(said(old.take_over()), "");
  EXPECT_FALSE(old.needed());
}

}  // namespace
}  // namespace fluxgate::db::adopt

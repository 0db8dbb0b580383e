// Every variant of an old database, taken over on both engines; rows in = rows out.
#include <array>

#include <boost/json.hpp>

#include "db/adopt/old_tasks.h"
#include "old_database.h"

namespace fluxgate::db::adopt {
namespace {

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

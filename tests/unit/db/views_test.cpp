// What the published views answer, value by value, on both engines.
#include <filesystem>

#include <gtest/gtest.h>

#include "base/ids.h"
#include "db/introspect.h"
#include "db/schema.h"
#include "db/views.h"
#include "support/postgres_server.h"

namespace fluxgate::db {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;

class Views : public testing::TestWithParam<Dialect> {
 protected:
  void SetUp() override {
    database_ = open(GetParam() == Dialect::sqlite ? ":memory:" : test::PostgresServer::shared().new_database(), {.connections = 2});
    database_->write_now([](Tx& tx) {
      create_missing(tx, 1);
      task(tx, "f1", "flux", "image_to_image", "succeeded",
           R"({"aspect_ratio":"16:9","guidance_scale":3.5,"num_inference_steps":28,"safety_tolerance":"2","strength":0.95,)"
           R"("output_format":"jpeg","enable_safety_checker":true,"image_size":{"width":512,"height":768}})",
           R"(["/files/in1/a.png?e=9&s=secret"])", R"({"outputs":[{"url":"https://up/1.jpg"}],"inference_seconds":1.25})");
      tx.exec("INSERT INTO fg_task_attempt (id, task_id, number, account_id, reference, sent_at) VALUES "
              "('a1', 'f1', 1, 'x', '{\"request_id\":\"old\"}', 1), ('a2', 'f1', 2, 'x', '{\"request_id\":\"up-7\"}', 1)");
      tx.exec("INSERT INTO fg_task_file (task_id, position, file_id, sha256, mime, size, width, height) VALUES "
              "('f1', 0, 'file-0', 'x', 'image/png', 1, 1, 1), ('f1', 1, 'file-1', 'x', 'image/png', 1, 1, 1)");
    });
  }

  static void task(Tx& tx, std::string_view id, std::string_view provider, std::string_view endpoint, std::string_view status,
                   std::string_view params, std::string_view inputs, std::string_view result) {
    const auto maybe = [](std::string_view text) { return text.empty() ? Param(nullptr) : Param(text); };
    tx.exec("INSERT INTO fg_task (id, user_id, provider, endpoint, model, status, prompt, params, inputs, images, quote, quote_rev, charged, "
            "result, seed, tries, error_message, created_at, updated_at, started_at, completed_at, parent_id) VALUES "
            "($1, 'ann', $2, $3, 'm-1', $4, 'a fox', $5, $6, 2, 10500, 1, 10000, $7, '4294967296', 3, "
            "'{\"en\":\"no luck\",\"zh\":\"x\"}', 1764150000007, 1764150001000, 1764150002000, 1764150005500, 'parent')",
            {id, provider, endpoint, status, params, maybe(inputs), maybe(result)});
  }

  // Every column as text, NULL as "-".
  Values row(const std::string& view, const std::string& where) {
    return database_->read_now([&](Tx& tx) {
      std::vector<std::string> columns;
      for (const View& one : views(tx.dialect()))
        if (one.name == view) columns = one.columns;
      Values values;
      std::string list;
      for (const auto& column : columns) list += (list.empty() ? "" : ", ") + ("CAST(" + quoted_name(column) + " AS TEXT)");
      tx.each("SELECT " + list + " FROM " + view + " WHERE " + where, {}, [&](const Row& found) {
        for (std::size_t i = 0; i < columns.size(); ++i)
          values.emplace_back(columns[i], found.is_null(static_cast<int>(i)) ? "-" : found.str(static_cast<int>(i)));
      });
      return values;
    });
  }
  std::string value(const std::string& view, const std::string& where, const std::string& column) {
    for (const auto& [name, text] : row(view, where))
      if (name == column) return text;
    return "no row";
  }
  void write(const std::function<void(Tx&)>& closure) { database_->write_now([&](Tx& tx) { closure(tx); }); }
  // As the engine writes them.
  std::string date(std::string_view seconds, std::string_view fraction) const {
    const bool sqlite = GetParam() == Dialect::sqlite;
    std::string text = "2025-11-26 " + std::string(seconds);
    if (sqlite) return text + "." + std::string(fraction) + std::string(6 - fraction.size(), '0');
    while (fraction.ends_with('0')) fraction.remove_suffix(1);
    return fraction.empty() ? text : text + "." + std::string(fraction);
  }
  std::string flag(bool set) const { return GetParam() == Dialect::sqlite ? (set ? "1" : "0") : (set ? "true" : "false"); }

  std::unique_ptr<Database> database_;
};

TEST_P(Views, ShowAFluxTaskColumnForColumn) {
  const Values expected{
      {"id", "f1"}, {"user_id", "ann"}, {"request_id", "up-7"}, {"model", "m-1"}, {"task_type", "image_to_image"}, {"status", "SUCCESS"},
      {"prompt", "a fox"}, {"input_image_url", "/files/in1/a.png"}, {"uploaded_image_url", "-"}, {"num_images", "2"},
      {"aspect_ratio", "16:9"}, {"guidance_scale", "3.5"}, {"num_inference_steps", "28"}, {"seed", "4294967296"},
      {"safety_tolerance", "2"}, {"strength", "0.95"}, {"sync_mode", flag(false)}, {"output_format", "jpeg"},
      {"enable_safety_checker", flag(true)}, {"image_url", "/files/file-0/result"}, {"cloud_image_url", "/files/file-0/result"},
      {"generation_time", "1.25"}, {"queue_position", "-"}, {"error_message", "no luck"}, {"retry_count", "3"},
      {"flux_response", R"({"outputs":[{"url":"https://up/1.jpg"}],"inference_seconds":1.25})"},
      {"created_at", date("09:40:00", "007")}, {"updated_at", date("09:40:01", "")}, {"completed_at", date("09:40:05", "500")},
      {"input_image_urls", "-"}, {"image_size", R"({"width":512,"height":768})"}};
  EXPECT_EQ(row("flux_tasks", "id = 'f1'"), expected);
}

TEST_P(Views, NameTasksThatWereTakenOverAsTheOldPlatformDid) {
  write([](Tx& tx) {
    task(tx, "new-1", "midjourney", "imagine", "succeeded", "{}", "", "");
    task(tx, "new-2", "midjourney", "action", "succeeded", "{}", "", "");
    tx.exec("UPDATE fg_task SET legacy_id = '1755600000000001' WHERE id = 'new-1'");
    tx.exec("UPDATE fg_task SET parent_id = 'new-1' WHERE id = 'new-2'");
  });
  EXPECT_EQ(value("mj_tasks", "id = '1755600000000001'", "prompt"), "a fox");
  EXPECT_EQ(value("mj_tasks", "id = 'new-2'", "parent_task_id"), "1755600000000001");
}

TEST_P(Views, SayTheStatesInTheOriginalsWords) {
  const std::vector<std::pair<const char*, std::vector<std::string>>> words{
      {"queued", {"PENDING", "SUBMITTED", "SUBMITTED", "submitted", "submitted"}},
      {"unknown", {"PENDING", "SUBMITTED", "SUBMITTED", "submitted", "submitted"}},
      {"running", {"IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS", "processing", "processing"}},
      {"storing", {"IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS", "processing", "processing"}},
      {"succeeded", {"SUCCESS", "SUCCESS", "SUCCESS", "succeed", "succeed"}},
      {"failed", {"FAILED", "FAILURE", "FAILURE", "failed", "failed"}},
      {"cancelled", {"CANCELLED", "CANCEL", "FAILURE", "failed", "failed"}}};
  const std::vector<std::pair<const char*, const char*>> providers{
      {"flux", "flux_tasks"}, {"midjourney", "mj_tasks"}, {"dreamwork", "dreamwork_tasks"}, {"kling", "kling_tasks"}, {"jimeng", "jimeng_tasks"}};
  for (const auto& [status, said] : words)
    for (std::size_t i = 0; i < providers.size(); ++i) {
      const std::string id = std::string(status) + providers[i].first;
      write([&](Tx& tx) { task(tx, id, providers[i].first, "x", status, "{}", "", ""); });
      EXPECT_EQ(value(providers[i].second, "id = '" + id + "'", "status"), said[i]) << id;
    }
}

TEST_P(Views, ShowTasksWithoutParametersInputsOrResult) {
  write([](Tx& tx) { task(tx, "bare", "flux", "text_to_image", "queued", "{}", "", ""); });
  for (const char* column : {"aspect_ratio", "guidance_scale", "num_inference_steps", "enable_safety_checker", "image_url", "cloud_image_url",
                             "input_image_url", "input_image_urls", "flux_response", "image_size", "generation_time"})
    EXPECT_EQ(value("flux_tasks", "id = 'bare'", column), "-") << column;
  EXPECT_EQ(value("flux_tasks", "id = 'bare'", "request_id"), "bare");
}

TEST_P(Views, TakeNoWordForANumber) {
  write([](Tx& tx) {
    task(tx, "odd", "flux", "text_to_image", "failed", R"({"guidance_scale":"much","num_inference_steps":"","enable_safety_checker":"maybe"})", "", "");
  });
  for (const char* column : {"guidance_scale", "num_inference_steps", "enable_safety_checker"})
    EXPECT_EQ(value("flux_tasks", "id = 'odd'", column), "-") << column;
}

TEST_P(Views, ShowLinksOfOursWithoutTheirSignatures) {
  write([](Tx& tx) {
    task(tx, "many", "flux", "multi_image_edit", "queued", "{}", R"(["/files/a/a.png?e=1&s=secret","https://x/y.png?token=1","https://h/files/b/b.png?e=1&s=s"])", "");
  });
  std::string urls = value("flux_tasks", "id = 'many'", "input_image_urls");
  std::erase(urls, ' ');
  EXPECT_EQ(urls, R"(["/files/a/a.png","https://x/y.png?token=1","https://h/files/b/b.png"])");
  EXPECT_EQ(value("flux_tasks", "id = 'many'", "input_image_url"), "-");
}

TEST_P(Views, ShowWhereTheUpstreamHasAResultThatWasNeverCopied) {
  write([](Tx& tx) { task(tx, "old", "midjourney", "imagine", "succeeded", "{}", "", R"({"outputs":[{"url":"https://up/2.jpg"}]})"); });
  EXPECT_EQ(value("mj_tasks", "id = 'old'", "image_url"), "https://up/2.jpg");
  EXPECT_EQ(value("mj_tasks", "id = 'old'", "cloud_image_url"), "-");
}

TEST_P(Views, ShowMidjourneyTasks) {
  write([](Tx& tx) {
    task(tx, "m", "midjourney", "imagine", "succeeded", R"({"mode":"fast"})", "",
         R"({"outputs":[{"url":"https://up/2.jpg"}],"revised_prompt":"one fox","extra":{"buttons":[{"customId":"u1"}]}})");
  });
  const Values expected{{"id", "m"}, {"user_id", "ann"}, {"action", "IMAGINE"}, {"status", "SUCCESS"}, {"prompt", "a fox"},
                        {"prompt_en", "one fox"}, {"description", "/imagine a fox"}, {"mode", "fast"}, {"credits_cost", "10.5"},
                        {"submit_time", date("09:40:00", "007")}, {"start_time", date("09:40:02", "")}, {"finish_time", date("09:40:05", "500")},
                        {"progress", "100%"}, {"image_url", "https://up/2.jpg"}, {"fail_reason", "no luck"}, {"properties", R"({"mode":"fast"})"},
                        {"buttons", R"([{"customId":"u1"}])"}, {"parent_task_id", "parent"}, {"created_at", date("09:40:00", "007")},
                        {"updated_at", date("09:40:01", "")}, {"cloud_image_url", "-"}};
  EXPECT_EQ(row("mj_tasks", "id = 'm'"), expected);
}

TEST_P(Views, ShowFilmsWithTheirUpstreamsIds) {
  write([](Tx& tx) {
    for (const char* provider : {"kling", "jimeng"}) {
      task(tx, provider, provider, "image_to_video", "succeeded", R"({"duration":"5","cfg_scale":0.5,"mode":"std","aspect_ratio":"16:9","watermark":true})",
           R"(["https://x/in.png","https://x/tail.png"])", R"({"outputs":[{"url":"https://up/v.mp4"}],"extra":{"video_id":"v-1","video_duration":"5.1"}})");
      tx.exec("INSERT INTO fg_task_attempt (id, task_id, number, account_id, reference, sent_at) VALUES ($1, $1, 1, 'x', '{\"task_id\":\"up-9\"}', 1)", {provider});
    }
  });
  for (const auto& [column, text] : Values{{"external_task_id", "up-9"}, {"action", "IMAGE_TO_VIDEO"}, {"duration", "5"}, {"cfg_scale", "0.5"},
                                           {"input_image", "https://x/in.png"}, {"image_tail", "https://x/tail.png"}, {"video_id", "v-1"},
                                           {"video_url", "https://up/v.mp4"}, {"video_duration", "5.1"}, {"serviceType", "kling"}, {"progress", "100%"}})
    EXPECT_EQ(value("kling_tasks", "id = 'kling'", column), text) << column;
  for (const auto& [column, text] : Values{{"external_task_id", "up-9"}, {"image_url", "https://x/in.png"}, {"video_url", "https://up/v.mp4"},
                                           {"watermark", flag(true)}, {"complete_time", date("09:40:05", "500")}, {"serviceType", "jimeng"}})
    EXPECT_EQ(value("jimeng_tasks", "id = 'jimeng'", column), text) << column;
}

TEST_P(Views, ShowWhatCanBeSpentAndWhatWasUsed) {
  write([](Tx& tx) {
    tx.exec("INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES "
            "('0191-ab', 25500, 500, 1764150000999, 1764150001000), ('ann', -1, 0, 1764150000000, 1764150000000)");
  });
  EXPECT_EQ(row("credit", "user_id = '0191-ab'"), (Values{{"id", "0191ab"}, {"user_id", "0191-ab"}, {"credit", "25"},
                                                         {"updated_at", "1764150001"}, {"created_at", "1764150000"}}));
  EXPECT_EQ(value("credit", "user_id = 'ann'", "credit"), "-0.001");
  EXPECT_EQ(value("flux_credits", "user_id = 'ann'", "total_used"), "10");
  EXPECT_EQ(value("flux_credits", "user_id = '0191-ab'", "credits_balance"), "25");
  EXPECT_EQ(value("flux_credits", "user_id = '0191-ab'", "total_used"), "0");
}

TEST_P(Views, LogChargesAndRefundsAsTheOriginalDid) {
  write([](Tx& tx) {
    tx.exec("INSERT INTO fg_credit_entry (id, user_id, kind, amount, balance_after, held_after, task_id, reason, created_at) VALUES "
            "('e-1', 'ann', 'open', 100000, 100000, 0, NULL, NULL, 1764150000000), "
            "('e-2', 'ann', 'hold', 20000, 100000, 20000, 'f1', NULL, 1764150001000), "
            "('e-3', 'ann', 'capture', -10000, 90000, 10000, 'f1', NULL, 1764150002000), "
            "('e-4', 'ann', 'release', -10000, 90000, 0, 'f1', NULL, 1764150002000), "
            "('e-5', 'ann', 'capture', -5000, 85000, 0, NULL, 'Midjourney: MJ-fast-imagine', 1764150003000)");
  });
  const auto log = database_->read_now([](Tx& tx) {
    return tx.all("SELECT id, CAST(credit AS TEXT), CAST(detail AS TEXT), created_at FROM credit_log ORDER BY created_at, id", {}, [](const Row& row) {
      std::string detail = row.str(2);
      std::erase(detail, ' ');
      return row.str(0) + "|" + row.str(1) + "|" + detail + "|" + row.str(3);
    });
  });
  const std::string service = R"("usage":{"service":"flux","kind")", no_service = R"("usage":{"service":null,"kind")";
  const std::vector<std::string> expected{
      R"(e1|100|{"desc":"open","api_path":"","api_params":{"task_id":null},)" + no_service + R"(:"open","credits":100}}|1764150000)",
      R"(e2|80|{"desc":"flux:m-1hold","api_path":"","api_params":{"task_id":"f1"},)" + service + R"(:"hold","credits":20}}|1764150001)",
      R"(e4|90|{"desc":"flux:m-1release-refund","api_path":"","api_params":{"task_id":"f1"},)" + service + R"(:"release","credits":10}}|1764150002)",
      R"(e5|85|{"desc":"Midjourney:MJ-fast-imagine","api_path":"","api_params":{"task_id":null},)" + no_service + R"(:"capture","credits":5}}|1764150003)"};
  EXPECT_EQ(log, expected);
}

TEST_P(Views, MaskTheKeyOfAProvider) {
  EXPECT_EQ(row("flux_config", "TRUE"), Values{});
  write([](Tx& tx) {
    tx.exec("INSERT INTO fg_upstream_account (id, provider, name, base_url, sealed_key, max_concurrent, timeout_s, created_at, updated_at) VALUES "
            "('flux-default', 'flux', 'f', 'https://queue.fal.run', 'sealed:1:abc', 7, 120, 1764150000007, 1764150001000), "
            "('other', 'flux', 'o', 'https://o', NULL, 5, 300, 1, 1)");
    tx.exec("INSERT INTO fg_setting (key, value, updated_at) VALUES ('provider.flux', "
            "'{\"enabled\":true,\"default_model\":\"fal-ai/flux-2\",\"model_credits\":{\"fal-ai/flux-2\":12500,\"fal-ai/flux-1/dev\":10000}}', 1)");
  });
  Values found = row("flux_config", "TRUE");
  std::erase(found[7].second, ' ');
  EXPECT_EQ(found, (Values{{"id", "flux-default"}, {"api_key", "****"}, {"base_url", "https://queue.fal.run"}, {"enabled", flag(true)},
                           {"timeout", "120"}, {"max_concurrent_tasks", "7"}, {"default_model", "fal-ai/flux-2"},
                           {"model_credits", R"({"fal-ai/flux-2":12.5,"fal-ai/flux-1/dev":10})"},
                           {"created_at", date("09:40:00", "007")}, {"updated_at", date("09:40:01", "")}}));
  write([](Tx& tx) { tx.exec("UPDATE fg_upstream_account SET sealed_key = NULL"); });
  EXPECT_EQ(value("flux_config", "TRUE", "api_key"), "");
}

// A view that named a table of Open WebUI's would stop its migrations, which rename tables.
TEST_P(Views, LetOpenWebUiRebuildItsTables) {
  write([](Tx& tx) {
    for (const char* table : {"user", "auth", "config", "folder", "channel", "message", "message_reaction"}) {
      const std::string name = quoted_name(std::string_view(table));
      tx.exec("CREATE TABLE _alembic_tmp AS SELECT * FROM " + name);
      tx.exec("DROP TABLE " + name);
      tx.exec("ALTER TABLE _alembic_tmp RENAME TO " + name);
    }
  });
  EXPECT_EQ(value("flux_tasks", "id = 'f1'", "status"), "SUCCESS");
}

TEST_P(Views, AreReadOnly) {
  EXPECT_THROW(write([](Tx& tx) { tx.exec("UPDATE credit_log SET credit = 1"); }), Failure);
  EXPECT_THROW(write([](Tx& tx) { tx.exec("DELETE FROM flux_tasks"); }), Failure);
}

INSTANTIATE_TEST_SUITE_P(Engines, Views, testing::Values(Dialect::sqlite, Dialect::postgresql),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgresql"; });

}  // namespace
}  // namespace fluxgate::db

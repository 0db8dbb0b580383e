#include "db/views.h"

#include <fmt/format.h>

#include "base/crypto.h"
#include "db/view_sql.h"

namespace fluxgate::db {
namespace {

struct Column {
  std::string_view name;
  std::string expression;
};

View make(std::string_view name, const std::vector<Column>& columns, std::string_view from) {
  View view{std::string(name), {}, ""};
  for (const Column& column : columns) {
    view.columns.emplace_back(column.name);
    view.select += fmt::format("{}\n  {} AS \"{}\"", view.select.empty() ? "SELECT" : ",", column.expression, column.name);
  }
  view.select += fmt::format("\n{}", from);
  return view;
}

// ---- what all tasks share ----

// The words of the original for our states (spec/seed-api.md §15).
struct Words {
  std::string_view waiting, running, succeeded, failed, cancelled;
};

std::string status(const Words& words) {
  return fmt::format(
      "CASE t.status WHEN 'succeeded' THEN '{}' WHEN 'failed' THEN '{}' WHEN 'cancelled' THEN '{}' "
      "WHEN 'running' THEN '{}' WHEN 'storing' THEN '{}' ELSE '{}' END",
      words.succeeded, words.failed, words.cancelled, words.running, words.running, words.waiting);
}

// A task keeps the id under which the old platform showed it; its files name it so, too.
constexpr std::string_view kId = "COALESCE(t.legacy_id, t.id)";
// Only the end is stored; what lies between is in memory.
constexpr std::string_view kProgress = "CASE t.status WHEN 'succeeded' THEN '100%' ELSE '0%' END";
constexpr std::string_view kFile = "(SELECT '/files/' || f.file_id || '/result' FROM fg_task_file f WHERE f.task_id = t.id AND f.position = 0)";

// Our copy, else where the upstream has it, if it was never copied.
std::string result_url(const ViewSql& sql) {
  return fmt::format("COALESCE({}, {})", kFile, sql.text("t.result", "outputs.0.url"));
}

// What the upstream calls the request: the last attempt's, or of a task that was taken over, what the old row said.
std::string upstream_id(const ViewSql& sql) {
  return fmt::format("COALESCE((SELECT COALESCE({}, {}, {}) FROM fg_task_attempt a WHERE a.task_id = t.id AND a.reference IS NOT NULL "
                     "ORDER BY a.number DESC LIMIT 1), {}, {})",
                     sql.text("a.reference", "request_id"), sql.text("a.reference", "task_id"), sql.text("a.reference", "id"),
                     sql.text("t.params", "legacy.external_task_id"), sql.text("t.params", "legacy.request_id"));
}

std::string input(const ViewSql& sql, int position) {
  return sql.link(sql.text("t.inputs", std::to_string(position)));
}

std::string tasks_of(const ViewSql& sql, std::string_view provider) {
  return fmt::format("FROM fg_task t{}\nWHERE t.provider = '{}'", sql.read_only(), provider);
}

// ---- FLUX ----

View flux_config(const ViewSql& sql) {
  const std::string settings = "s.value";
  return make("flux_config",
              {{"id", "a.id"},
               {"api_key", "CASE WHEN a.sealed_key IS NULL THEN '' ELSE '****' END"},
               {"base_url", "a.base_url"},
               {"enabled", fmt::format("COALESCE({}, {})", sql.flag(settings, "enabled"), sql.boolean(false))},
               {"timeout", "a.timeout_s"},
               {"max_concurrent_tasks", "a.max_concurrent"},
               {"default_model", fmt::format("COALESCE(NULLIF({}, ''), 'fal-ai/flux-1/dev')", sql.text(settings, "default_model"))},
               {"model_credits", sql.prices(settings, "model_credits")},
               {"created_at", sql.date("a.created_at")},
               {"updated_at", sql.date("a.updated_at")}},
              "FROM fg_upstream_account a LEFT JOIN fg_setting s ON s.key = 'provider.flux'\nWHERE a.id = 'flux-default'");
}

View flux_tasks(const ViewSql& sql) {
  const auto parameter = [&](std::string_view name) { return sql.text("t.params", name); };
  const auto number = [&](std::string_view name) { return sql.number("t.params", name); };
  const std::string worked = sql.number("t.result", "inference_seconds");
  return make(
      "flux_tasks",
      {{"id", std::string(kId)},
       {"user_id", "t.user_id"},
       {"request_id", fmt::format("COALESCE({}, t.id)", upstream_id(sql))},
       {"model", "t.model"},
       {"task_type", "t.endpoint"},
       {"status", status({"PENDING", "IN_PROGRESS", "SUCCESS", "FAILED", "CANCELLED"})},
       {"prompt", "t.prompt"},
       {"input_image_url", fmt::format("CASE WHEN {} = 1 THEN {} END", sql.count("t.inputs"), input(sql, 0))},
       {"uploaded_image_url", "CAST(NULL AS TEXT)"},
       {"num_images", "t.images"},
       {"aspect_ratio", parameter("aspect_ratio")},
       {"guidance_scale", number("guidance_scale")},
       {"num_inference_steps", number("num_inference_steps")},
       {"seed", sql.big_number("t.seed")},
       {"safety_tolerance", parameter("safety_tolerance")},
       {"strength", number("strength")},
       {"sync_mode", sql.boolean(false)},
       {"output_format", parameter("output_format")},
       {"enable_safety_checker", sql.flag("t.params", "enable_safety_checker")},
       {"image_url", result_url(sql)},
       {"cloud_image_url", std::string(kFile)},
       {"generation_time", fmt::format("COALESCE({}, CASE t.status WHEN 'succeeded' THEN (t.completed_at - t.started_at) / 1000.0 END)", worked)},
       {"queue_position", "CAST(NULL AS INTEGER)"},
       {"error_message", sql.text("t.error_message", "en")},
       {"retry_count", "t.tries"},
       {"flux_response", sql.as_json("t.result")},
       {"created_at", sql.date("t.created_at")},
       {"updated_at", sql.date("t.updated_at")},
       {"completed_at", sql.date("t.completed_at")},
       {"input_image_urls", fmt::format("CASE WHEN {} > 1 THEN {} END", sql.count("t.inputs"), sql.links("t.inputs"))},
       {"image_size", sql.json("t.params", "image_size")}},
      tasks_of(sql, "flux"));
}

View flux_credits(const ViewSql& sql) {
  return make("flux_credits",
              {{"id", "c.user_id"},
               {"user_id", "c.user_id"},
               {"credits_balance", sql.credits("c.balance - c.held")},
               {"total_used", sql.credits("(SELECT COALESCE(SUM(t.charged), 0) FROM fg_task t WHERE t.user_id = c.user_id AND t.provider = 'flux')")},
               {"created_at", sql.date("c.created_at")},
               {"updated_at", sql.date("c.updated_at")}},
              fmt::format("FROM fg_credit_account c{}", sql.read_only()));
}

// ---- the other providers ----

View mj_tasks(const ViewSql& sql) {
  return make("mj_tasks",
              {{"id", std::string(kId)},
               {"user_id", "t.user_id"},
               {"action", "upper(t.endpoint)"},
               {"status", status({"SUBMITTED", "IN_PROGRESS", "SUCCESS", "FAILURE", "CANCEL"})},
               {"prompt", "t.prompt"},
               {"prompt_en", fmt::format("COALESCE({}, t.prompt)", sql.text("t.result", "revised_prompt"))},
               {"description", "'/' || t.endpoint || ' ' || COALESCE(t.prompt, '')"},
               {"mode", sql.text("t.params", "mode")},
               {"credits_cost", sql.credits("t.quote")},
               {"submit_time", sql.date("t.created_at")},
               {"start_time", sql.date("t.started_at")},
               {"finish_time", sql.date("t.completed_at")},
               {"progress", std::string(kProgress)},
               {"image_url", result_url(sql)},
               {"fail_reason", sql.text("t.error_message", "en")},
               {"properties", sql.as_json("t.params")},
               {"buttons", sql.json("t.result", "extra.buttons")},
               {"parent_task_id", "COALESCE((SELECT COALESCE(p.legacy_id, p.id) FROM fg_task p WHERE p.id = t.parent_id), t.parent_id)"},
               {"created_at", sql.date("t.created_at")},
               {"updated_at", sql.date("t.updated_at")},
               {"cloud_image_url", std::string(kFile)}},
              tasks_of(sql, "midjourney"));
}

View dreamwork_tasks(const ViewSql& sql) {
  const std::string size = sql.text("t.params", "size");
  return make("dreamwork_tasks",
              {{"id", std::string(kId)},
               {"user_id", "t.user_id"},
               {"action", "upper(t.endpoint)"},
               {"status", status({"SUBMITTED", "IN_PROGRESS", "SUCCESS", "FAILURE", "FAILURE"})},
               {"prompt", "t.prompt"},
               {"model", "t.model"},
               {"size", size},
               {"guidance_scale", sql.number("t.params", "guidance_scale")},
               {"seed", sql.big_number("t.seed")},
               {"watermark", sql.flag("t.params", "watermark")},
               {"input_image", input(sql, 0)},
               {"credits_cost", sql.credits("t.quote")},
               {"submit_time", sql.date("t.created_at")},
               {"start_time", sql.date("t.started_at")},
               {"finish_time", sql.date("t.completed_at")},
               {"progress", std::string(kProgress)},
               {"image_url", result_url(sql)},
               {"fail_reason", sql.text("t.error_message", "en")},
               {"properties", sql.object({{"serviceType", "'dreamwork'"}, {"model", "t.model"}, {"size", size}})},
               {"created_at", sql.date("t.created_at")},
               {"updated_at", sql.date("t.updated_at")},
               {"serviceType", "'dreamwork'"},
               {"cloud_image_url", std::string(kFile)}},
              tasks_of(sql, "dreamwork"));
}

View kling_tasks(const ViewSql& sql) {
  const auto parameter = [&](std::string_view name) { return sql.text("t.params", name); };
  return make("kling_tasks",
              {{"id", std::string(kId)},
               {"user_id", "t.user_id"},
               {"external_task_id", upstream_id(sql)},
               {"action", "upper(t.endpoint)"},
               {"status", status({"submitted", "processing", "succeed", "failed", "failed"})},
               {"task_status_msg", sql.text("t.error_message", "en")},
               {"model_name", "t.model"},
               {"prompt", "t.prompt"},
               {"negative_prompt", parameter("negative_prompt")},
               {"cfg_scale", sql.number("t.params", "cfg_scale")},
               {"mode", parameter("mode")},
               {"duration", parameter("duration")},
               {"aspect_ratio", parameter("aspect_ratio")},
               {"input_image", input(sql, 0)},
               {"image_tail", input(sql, 1)},
               {"static_mask", "CAST(NULL AS TEXT)"},
               {"dynamic_masks", sql.json("t.params", "dynamic_masks")},
               {"camera_control", sql.json("t.params", "camera_control")},
               {"credits_cost", sql.credits("t.quote")},
               {"submit_time", sql.date("t.created_at")},
               {"start_time", sql.date("t.started_at")},
               {"finish_time", sql.date("t.completed_at")},
               {"video_id", sql.text("t.result", "extra.video_id")},
               {"video_url", result_url(sql)},
               {"video_duration", fmt::format("COALESCE({}, {})", sql.text("t.result", "extra.video_duration"), parameter("duration"))},
               {"fail_reason", sql.text("t.error_message", "en")},
               {"request_data", "CAST(NULL AS TEXT)"},
               {"response_data", "t.result"},
               {"properties", sql.object({{"serviceType", "'kling'"},
                                          {"action", "upper(t.endpoint)"},
                                          {"model", "t.model"},
                                          {"mode", parameter("mode")},
                                          {"duration", parameter("duration")}})},
               {"progress", std::string(kProgress)},
               {"created_at", sql.date("t.created_at")},
               {"updated_at", sql.date("t.updated_at")},
               {"serviceType", "'kling'"},
               {"cloud_video_url", std::string(kFile)}},
              tasks_of(sql, "kling"));
}

View jimeng_tasks(const ViewSql& sql) {
  const auto parameter = [&](std::string_view name) { return sql.text("t.params", name); };
  return make("jimeng_tasks",
              {{"id", std::string(kId)},
               {"user_id", "t.user_id"},
               {"action", "upper(t.endpoint)"},
               {"status", status({"submitted", "processing", "succeed", "failed", "failed"})},
               {"prompt", "t.prompt"},
               {"duration", parameter("duration")},
               {"aspect_ratio", parameter("aspect_ratio")},
               {"cfg_scale", sql.number("t.params", "cfg_scale")},
               {"image_url", input(sql, 0)},
               {"input_image", "CAST(NULL AS TEXT)"},
               {"external_task_id", upstream_id(sql)},
               {"video_url", result_url(sql)},
               {"progress", std::string(kProgress)},
               {"fail_reason", sql.text("t.error_message", "en")},
               {"credits_cost", sql.credits("t.quote")},
               {"properties", sql.object({{"serviceType", "'jimeng'"}, {"action", "upper(t.endpoint)"}, {"duration", parameter("duration")}})},
               {"submit_time", sql.date("t.created_at")},
               {"start_time", sql.date("t.started_at")},
               {"complete_time", sql.date("t.completed_at")},
               {"created_at", sql.date("t.created_at")},
               {"updated_at", sql.date("t.updated_at")},
               {"serviceType", "'jimeng'"},
               {"cloud_video_url", std::string(kFile)},
               {"watermark", fmt::format("COALESCE({}, {})", sql.flag("t.params", "watermark"), sql.boolean(false))}},
              tasks_of(sql, "jimeng"));
}

// ---- credits ----

View credit(const ViewSql& sql) {
  return make("credit",
              {{"id", "replace(c.user_id, '-', '')"},
               {"user_id", "c.user_id"},
               {"credit", sql.credits("c.balance - c.held")},
               {"updated_at", sql.seconds("c.updated_at")},
               {"created_at", sql.seconds("c.created_at")}},
              fmt::format("FROM fg_credit_account c{}", sql.read_only()));
}

// As the original logged them: a charge when it was submitted, a refund for what was not used. A capture changes
// nothing that anybody can spend, so it is shown only where no hold went before it.
View credit_log(const ViewSql& sql) {
  const std::string_view kind =
      "COALESCE(NULLIF(e.reason, ''), COALESCE(t.provider || ': ' || t.model || ' ', '') || e.kind || "
      "CASE e.kind WHEN 'release' THEN '-refund' ELSE '' END)";
  return make("credit_log",
              {{"id", "replace(e.id, '-', '')"},
               {"user_id", "e.user_id"},
               {"credit", sql.credits("e.balance_after - e.held_after")},
               {"detail", sql.object({{"desc", std::string(kind)},
                                      {"api_path", "''"},
                                      {"api_params", sql.object({{"task_id", "COALESCE(t.legacy_id, e.task_id)"}})},
                                      {"usage", sql.object({{"service", "t.provider"}, {"kind", "e.kind"}, {"credits", sql.credits("abs(e.amount)")}})}})},
               {"created_at", sql.seconds("e.created_at")}},
              "FROM fg_credit_entry e LEFT JOIN fg_task t ON t.id = e.task_id\n"
              "WHERE e.kind <> 'capture' OR NOT EXISTS "
              "(SELECT 1 FROM fg_credit_entry h WHERE h.task_id = e.task_id AND h.kind = 'hold')");
}

std::vector<View> make_all(Dialect dialect) {
  const ViewSql sql(dialect);
  return {flux_config(sql), flux_tasks(sql),  flux_credits(sql), mj_tasks(sql), dreamwork_tasks(sql),
          kling_tasks(sql), jimeng_tasks(sql), credit(sql),       credit_log(sql)};
}

std::string create_view(const View& view) { return fmt::format("CREATE VIEW \"{}\" AS {}", view.name, view.select); }

}  // namespace

const std::vector<View>& views(Dialect dialect) {
  static const std::vector<View> sqlite = make_all(Dialect::sqlite), postgresql = make_all(Dialect::postgresql);
  return dialect == Dialect::sqlite ? sqlite : postgresql;
}

std::string made_from(const View& view, Dialect dialect) {
  const std::string text = create_view(view);
  return dialect == Dialect::sqlite ? text : "fluxgate view " + crypto::sha256_hex(text).substr(0, 16);
}

std::vector<std::string> create_statements(const View& view, Dialect dialect) {
  if (dialect == Dialect::sqlite) return {fmt::format("DROP VIEW IF EXISTS \"{}\"", view.name), create_view(view)};
  return {fmt::format("CREATE OR REPLACE VIEW \"{}\" AS\n{}", view.name, view.select),
          fmt::format("COMMENT ON VIEW \"{}\" IS '{}'", view.name, made_from(view, dialect))};
}

}  // namespace fluxgate::db

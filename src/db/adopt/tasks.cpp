// The tasks of every provider, into fg_task with its attempts and files.
#include <fmt/format.h>

#include "base/ids.h"
#include "base/money.h"
#include "db/adopt/lost.h"
#include "db/adopt/task_row.h"
#include "db/post.h"

namespace fluxgate::db::adopt {
namespace {

namespace json = boost::json;

// No node has this name, so that the first one to start takes the task over.
constexpr std::string_view kNobody = "adopted";

// fal's application: the first two segments of the path that the fork posted to, which was the model's id.
json::object fal_reference(std::string_view model, std::string_view request_id) {
  const std::string_view app = model.substr(0, model.find('/', model.find('/') + 1));
  const std::string path = fmt::format("/{}/requests/{}", app, request_id);
  return {{"request_id", request_id}, {"app", app}, {"status_path", path + "/status"}, {"response_path", path},
          {"cancel_path", path + "/cancel"}};
}

class TaskImport {
 public:
  TaskImport(Work& work, const OldTasks& kind, std::string table)
      : work_(work), kind_(kind), source_(work.tx, std::move(table)), dates_(dates_of(work.tx, source_.table())),
        reader_(work, kind, source_, dates_.earliest) {}

  void run() {
    const std::int64_t rows = source_.rows();
    source_.each("", [this](const OldRow& row) { take(row); });
    check_count(source_.table(), rows, ids_.taken, ids_.rows() - ids_.taken);
    link_parents();
    mark_done(work_, source_.table(), rows, ids_.taken);
    report(rows);
  }

 private:
  void take(const OldRow& row) {
    const std::string id = reader_.id_of(row);
    const std::string old_id =
        id.empty() ? "" : old_id_for(id, reader_.whose(row), [this](const std::string& at) { return task_in_history(work_.tx, kind_.provider, at); });
    ids_.add(id, old_id);
    if (old_id.empty()) return;
    OldTask old = reader_.read(row, old_id);
    insert(old);
    with_results_ += !old.results.empty();
    resumed_ += old.waits_for_upstream;
    if (old.error_code != kLost) return;
    ++lost_;
    lost_cost_ += old.charged;
    lost_refunded_ += old.charged != old.cost;
  }

  // Counts as sent again already: what the fork submitted for nothing is never submitted a second time.
  void insert(OldTask& old) const {
    if (!old.results.empty()) {
      json::array outputs;
      for (const OldResult& result : old.results)
        if (!result.link.empty()) outputs.push_back(json::object{{"url", result.link}, {"content_type", result.mime}});
      if (!outputs.empty()) old.result["outputs"] = std::move(outputs);
    }
    insert_inputs(old);
    const std::string params = json::serialize(old.params), inputs = json::serialize(old.inputs),
                      result = json::serialize(old.result);
    const std::string error = text_json(old.error);
    const auto or_null = [](bool is, std::string_view text) { return is ? Param(text) : Param(nullptr); };
    const auto parent = old.params.contains("legacy") ? old.params["legacy"].as_object() : json::object{};
    const auto* parent_id = parent.if_contains("parent_task_id");
    post(work_.tx,
        "INSERT INTO fg_task (id, user_id, provider, endpoint, model, status, owner, parent_id, legacy_id, prompt, params, inputs, "
        "images, quote, quote_rev, charged, result, seed, error_code, error_message, created_at, updated_at, started_at, completed_at, "
        "account_id, resubmits) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15, $16, $17, $18, $19, $20, $21, $22, "
        "$23, $24, 1)",
        {old.task.id, old.task.user_id, old.task.provider, old.endpoint, old.model, old.status,
         or_null(old.waits_for_upstream, kNobody), or_null(parent_id != nullptr, parent_id ? std::string_view(parent_id->as_string()) : ""),
         old.task.legacy_id, or_null(!old.prompt.empty(), old.prompt), params, or_null(!old.inputs.empty(), inputs), old.images, old.cost,
         old.charged, or_null(!old.result.empty(), result), or_null(!old.task.seed.empty(), old.task.seed),
         or_null(!old.error_code.empty(), old.error_code), or_null(!old.error_code.empty(), error), old.task.created_at,
         old.updated_at, old.started_at, old.completed_at, or_null(old.waits_for_upstream, "flux-default")});
    if (old.waits_for_upstream) insert_attempt(old);
    insert_results(work_, old.task, old.results);
  }

  // Uploads of the owner, as the inputs of our own tasks are.
  void insert_inputs(OldTask& old) const {
    auto next = old.kept_inputs.begin();
    for (json::value& input : old.inputs) {
      if (!input.is_null()) continue;
      const std::string name = fmt::format("input{}", next->key.substr(next->key.rfind('.')));
      const std::string id = insert_kept_file(
          work_.tx, {old.task.user_id, name, fmt::format("{}_input", kind_.provider), "", old.task.created_at}, *next++);
      work_.tx.exec("INSERT INTO fg_file_use (file_id, task_id) VALUES ($1, $2)", {id, old.task.id});
      input = fmt::format("/files/{}/{}", id, name);
    }
  }

  // Sent at: now, as the engine counts the task's deadline from there.
  void insert_attempt(const OldTask& old) const {
    const std::string reference = json::serialize(fal_reference(old.model, old.upstream_id));
    post(work_.tx,
        "INSERT INTO fg_task_attempt (id, task_id, number, account_id, reference, sent_at, accepted_at, outcome) "
        "VALUES ($1, $2, 1, 'flux-default', $3, $4, $4, 'accepted')",
        {new_id(work_.options.now), old.task.id, reference, work_.options.now});
  }

  // Midjourney's buttons made children of tasks, known by their old ids until here.
  void link_parents() const {
    work_.tx.exec(
        "UPDATE fg_task SET parent_id = (SELECT p.id FROM fg_task p WHERE p.provider = fg_task.provider AND "
        "p.legacy_id = fg_task.parent_id) WHERE provider = $1 AND legacy_id IS NOT NULL AND parent_id IS NOT NULL",
        {kind_.provider});
  }

  void report(std::int64_t rows) const {
    work_.say(source_.table(),
              {fmt::format("{} of {} tasks are in the history, {} of them with results.", ids_.taken, rows, with_results_),
               fmt::format("{} / {} 个任务已进入历史记录，其中 {} 个带有结果。", ids_.taken, rows, with_results_)},
              Level::info, rows, ids_.taken);
    if (resumed_ != 0)
      work_.say(source_.table(), {fmt::format("{} unfinished tasks go on at the provider.", resumed_),
                                  fmt::format("{} 个未完成的任务将继续向服务商查询。", resumed_)});
    if (lost_ != 0) {
      const Text money = lost_money();
      work_.say(source_.table(),
                {fmt::format("{} unfinished tasks were lost by the previous system and are shown as failed; {}.", lost_, money.en),
                 fmt::format("{} 个未完成的任务已被旧系统丢失，显示为失败；{}。", lost_, money.zh)}, Level::warning);
    }
    if (lost_refunded_ != 0 && lost_cost_ != 0)
      work_.say(source_.table(), {fmt::format("For {} of them the previous system gave the credits back itself; nothing is owed for those.", lost_refunded_),
                                  fmt::format("其中 {} 个的积分已由旧系统退还，不再另行退还。", lost_refunded_)});
    if (const auto kept = reader_.kept(); kept != 0)
      work_.say(source_.table(), {fmt::format("{} pictures, films and sounds that stood in the table in base64 are files now.", kept),
                                  fmt::format("表中 {} 个 base64 图片、视频和音频已存为文件。", kept)});
    if (const auto unreadable = reader_.unreadable(); unreadable != 0)
      work_.say(source_.table(),
                {fmt::format("{} values are no picture, film or sound; they stay in the old table only.", unreadable),
                 fmt::format("{} 个值不是图片、视频或音频，仅保留在旧表中。", unreadable)}, Level::warning);
    ids_.tell(work_.lines, source_.table());
    if (dates_.undated != 0) work_.say(source_.table(), undated_text(dates_), Level::warning);
  }

  Text lost_money() const {
    const std::string credits = Credits::thousandths(lost_cost_).to_string();
    if (lost_cost_ == 0 && lost_refunded_ != 0) return {"what was taken for them had been given back", "扣除的积分此前已退还"};
    if (lost_cost_ == 0) return {"nothing was taken for them", "未扣除积分"};
    if (work_.options.give_back)
      return {fmt::format("the {} credits taken for them are given back to those who are still here", credits),
              fmt::format("扣除的 {} 积分将退还给仍存在的用户", credits)};
    return {fmt::format("{} credits were taken for them; repair --give-back gives them back to those who are still here", credits),
            fmt::format("共扣除 {} 积分，可用 repair --give-back 退还给仍存在的用户", credits)};
  }

  Work& work_;
  const OldTasks& kind_;
  Source source_;
  const TableDates dates_;
  TaskReader reader_;
  OldIds ids_;
  std::int64_t with_results_ = 0, resumed_ = 0, lost_ = 0, lost_cost_ = 0, lost_refunded_ = 0;
};

}  // namespace

void tasks_over(Work& work) {
  work.refunded = refunded_tasks(work.tx);
  for (const OldTasks& kind : old_tasks())
    for (std::string& table : waiting(work.tx, kind.table)) TaskImport(work, kind, std::move(table)).run();
  work.tx.exec(
      "INSERT INTO fg_user_counter (user_id, provider, status, n) SELECT user_id, provider, status, COUNT(*) FROM fg_task WHERE 1 = 1 "
      "GROUP BY user_id, provider, status ON CONFLICT (user_id, provider, status) DO UPDATE SET n = excluded.n");
}

}  // namespace fluxgate::db::adopt

// The tasks of every provider, into fg_task with its attempts and files.
#include <array>
#include <map>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/ids.h"
#include "db/adopt/old_tasks.h"
#include "db/adopt/results.h"
#include "db/adopt/source.h"
#include "db/adopt/words.h"
#include "db/adopt/work.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {
namespace {

namespace json = boost::json;

constexpr Millis kResumeWithin = 24ll * 3600 * 1000;  // upstreams keep results about as long
constexpr std::string_view kLost = "lost_by_previous_system";
// No node has this name, so that the first one to start takes the task over.
constexpr std::string_view kNobody = "adopted";

// What a row says, in our words.
struct OldTask {
  NewTask task;
  std::string legacy_id, endpoint, model, prompt, upstream_id;
  std::string status = "failed", error_code;
  Text error;
  json::object params, result;
  json::array inputs;
  std::int64_t images = 1, cost = 0, charged = 0;
  Millis updated_at = 0;
  std::optional<Millis> started_at, completed_at;
  bool waits_for_upstream = false;
  std::vector<OldResult> results;
  std::vector<KeptFile> kept_inputs;  // in `inputs` they are nulls, in this order, until their rows are made
};

struct Columns {
  explicit Columns(Source& source, const OldTasks& kind)
      : id(source.pick("id")),
        user(source.pick("user_id")),
        endpoint(source.pick(kind.endpoint)),
        status(source.pick("status")),
        model(source.pick(kind.model_column)),
        prompt(source.pick("prompt")),
        cost(source.pick(kind.cost)),
        upstream(source.pick(kind.upstream)),
        error(source.pick(kind.error)),
        created(source.pick("created_at|submit_time|updated_at")),
        updated(source.pick("updated_at")),
        started(source.pick(kind.started)),
        finished(source.pick(kind.finished)),
        progress(source.pick("progress")),
        seed(source.pick("seed")),
        images(source.pick("num_images")),
        sync_mode(source.pick("sync_mode")),
        seconds(source.pick("generation_time")),
        stored_url(source.pick(kind.stored_url)),
        url(source.pick(kind.url)),
        answer(source.pick(kind.answer)) {
    // In the repair script's shape of jimeng_tasks image_url is the result; else it is an input.
    const bool image_is_result = !source.has(kind.url) && kind.table == "jimeng_tasks";
    if (image_is_result) url = source.pick("image_url");
    for (std::string_view column : kind.inputs)
      if (!image_is_result || column != "image_url") inputs.push_back(source.pick(column));
    input_list = source.pick("input_image_urls");
    for (const KeptColumn& column : kind.params) params.push_back(source.pick(column.name));
    for (const KeptColumn& column : kind.extra) extra.push_back(source.pick(column.name));
    for (const KeptColumn& column : kind.legacy) legacy.push_back(source.pick(column.name));
  }
  int id, user, endpoint, status, model, prompt, cost, upstream, error, created, updated, started, finished, progress, seed, images,
      sync_mode, seconds, stored_url, url, answer, input_list = -1;
  std::vector<int> inputs, params, extra, legacy;
};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

void keep(json::object& into, std::span<const KeptColumn> columns, const std::vector<int>& numbers, const OldRow& row) {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (auto value = kept_value(row[numbers[i]], columns[i].as); !value.is_null()) into[columns[i].name] = std::move(value);
}

bool is_request_id(std::string_view id) {
  constexpr std::size_t kBytesMax = 200;
  return !id.empty() && id.size() <= kBytesMax && id != "." && id != ".." && std::ranges::all_of(id, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
}

// fal's application: the first two segments of the path that the fork posted to, which was the model's id.
json::object fal_reference(std::string_view model, std::string_view request_id) {
  const std::string_view app = model.substr(0, model.find('/', model.find('/') + 1));
  const std::string path = fmt::format("/{}/requests/{}", app, request_id);
  return {{"request_id", request_id}, {"app", app}, {"status_path", path + "/status"}, {"response_path", path},
          {"cancel_path", path + "/cancel"}};
}

Text lost_text(std::int64_t cost, bool given_back) {
  const std::string credits = Credits::thousandths(cost).to_string();
  if (cost <= 0) return {"The previous system lost this task; nothing was taken for it.", "该任务已被旧系统丢失，未扣除积分。"};
  if (given_back)
    return {fmt::format("The previous system lost this task. The {} credits taken for it were given back.", credits),
            fmt::format("该任务已被旧系统丢失，扣除的 {} 积分已退还。", credits)};
  return {fmt::format("The previous system lost this task. It had taken {} credits for it; an administrator can give them back.", credits),
          fmt::format("该任务已被旧系统丢失，当时扣除了 {} 积分，管理员可以退还。", credits)};
}

std::string text_json(const Text& text) { return json::serialize(json::object{{"en", text.en}, {"zh", text.zh}}); }

class TaskImport {
 public:
  TaskImport(Work& work, const OldTasks& kind, std::string table)
      : work_(work), kind_(kind), source_(work.tx, std::move(table)), columns_(source_, kind) {}

  void run() {
    const std::int64_t rows = source_.rows();
    source_.each("", [this](const OldRow& row) { take(row); });
    check_count(source_.table(), rows, taken_, without_id_ + known_);
    link_parents();
    mark_done(work_, source_.table(), rows, taken_);
    report(rows);
  }

 private:
  void take(const OldRow& row) {
    OldTask old;
    old.legacy_id = row.text(columns_.id);
    if (old.legacy_id.empty()) return void(++without_id_);
    if (work_.tx.number("SELECT COUNT(*) FROM fg_task WHERE legacy_id = $1 AND provider = $2", {old.legacy_id, kind_.provider}) != 0)
      return void(++known_);  // a half-finished import brought it
    read(row, old);
    read_results(row, old);
    decide_end(row, old);
    insert(old);
    ++taken_;
    with_results_ += !old.results.empty();
    resumed_ += old.waits_for_upstream;
    lost_ += old.error_code == kLost;
  }

  void read(const OldRow& row, OldTask& old) {
    const Columns& at = columns_;
    old.task.created_at = time_of(row[at.created]).value_or(work_.options.now);
    old.task.id = new_id(old.task.created_at);
    old.task.user_id = row.text(at.user);
    old.task.provider = kind_.provider;
    old.task.seed = row.text(at.seed);
    old.endpoint = kind_.endpoint.empty() ? "lip_sync" : lower(row.text(at.endpoint));
    old.model = row.text(at.model);
    if (old.model.empty()) old.model = kind_.model;
    old.prompt = row.text(at.prompt);
    old.upstream_id = row.text(at.upstream);
    old.images = std::clamp<std::int64_t>(integer_of(row[at.images]).value_or(1), 1, 1000);
    old.cost = std::max<std::int64_t>(0, thousandths_of(row[at.cost]).value_or(0));
    old.updated_at = time_of(row[at.updated]).value_or(old.task.created_at);
    old.started_at = time_of(row[at.started]);
    old.completed_at = time_of(row[at.finished]);
    keep(old.params, kind_.params, at.params, row);
    json::object extra, legacy;
    keep(extra, kind_.extra, at.extra, row);
    if (!extra.empty()) old.result["extra"] = std::move(extra);
    keep(legacy, kind_.legacy, at.legacy, row);
    if (const auto percent = percent_of(row[at.progress]); percent && *percent < 100) legacy["progress"] = *percent;
    if (!legacy.empty()) old.params["legacy"] = std::move(legacy);
    for (const int column : at.inputs) read_input(row[column].value_or(""), old);
    if (const auto list = json_of(row[at.input_list]); list.is_array())
      for (const auto& item : list.as_array())
        if (item.is_string()) read_input(item.as_string(), old);
  }

  void read_input(std::string_view text, OldTask& old) {
    if (auto link = link_of(text); !link.empty()) return void(old.inputs.emplace_back(link));
    if (auto kept = keep_file(text)) {
      old.inputs.emplace_back(nullptr);
      old.kept_inputs.push_back(std::move(*kept));
    }
  }

  std::optional<KeptFile> keep_file(std::string_view text) {
    constexpr std::size_t kIds = 64;  // shorter is the id of something at the provider
    if (!work_.options.keep || text.size() <= kIds) return std::nullopt;
    const auto bytes = bytes_of(text);
    auto kept = bytes ? work_.options.keep(*bytes) : std::nullopt;
    ++(kept ? kept_ : unreadable_);
    return kept;
  }

  void read_results(const OldRow& row, OldTask& old) {
    ResultSources from{row.text(columns_.stored_url), row.text(columns_.url), json_of(row[columns_.answer]),
                       uploaded_files(work_.tx, kind_, old.legacy_id)};
    old.results = choose_results(from, kind_.media_type);
    std::erase_if(old.results, [this](OldResult& result) {
      if (result.data.empty()) return false;
      auto kept = keep_file(result.data);
      if (kept) result.kept = std::move(*kept);
      return !kept;
    });
    if (const auto seconds = real_of(row[columns_.seconds]); seconds && *seconds > 0) old.result["inference_seconds"] = *seconds;
  }

  // A result is the best proof of an end: the fork's words stopped moving when its process did.
  void decide_end(const OldRow& row, OldTask& old) const {
    const Ended said = ended_by(row.text(columns_.status));
    const Ended ended = said == Ended::unfinished && !old.results.empty() ? Ended::succeeded : said;
    old.charged = old.cost;
    if (ended == Ended::unfinished && may_resume(row, old)) {
      old.status = "running";
      old.waits_for_upstream = true;
      old.charged = 0;
      old.completed_at.reset();
      if (!old.started_at) old.started_at = old.task.created_at;
      return;
    }
    if (ended == Ended::succeeded) {
      old.status = "succeeded";
    } else if (ended == Ended::cancelled) {
      old.status = "cancelled";
      old.error_code = "cancelled";
      old.error = {"This was cancelled.", "任务已取消。"};
    } else if (ended == Ended::failed) {
      const std::string why = row.text(columns_.error);
      old.error_code = "failed_before_adoption";
      old.error = why.empty() ? Text{"This failed in the previous system, which kept no reason.", "该任务在旧系统中失败，未留下原因。"}
                              : Text{why, why};
    } else {
      old.error_code = kLost;
      old.error = lost_text(old.cost, false);
    }
    if (!old.completed_at || *old.completed_at < old.task.created_at) old.completed_at = std::max(old.updated_at, old.task.created_at);
    if (old.started_at && *old.started_at > *old.completed_at) old.started_at.reset();
  }

  bool may_resume(const OldRow& row, const OldTask& old) const {
    if (!kind_.resumable || !work_.flux_key || !is_request_id(old.upstream_id)) return false;
    if (flag_of(row[columns_.sync_mode]).value_or(false)) return false;  // its id is one the fork made up
    return old.task.created_at + kResumeWithin > work_.options.now;
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
    work_.tx.exec(
        "INSERT INTO fg_task (id, user_id, provider, endpoint, model, status, owner, parent_id, legacy_id, prompt, params, inputs, "
        "images, quote, quote_rev, charged, result, seed, error_code, error_message, created_at, updated_at, started_at, completed_at, "
        "account_id, resubmits) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15, $16, $17, $18, $19, $20, $21, $22, "
        "$23, $24, 1)",
        {old.task.id, old.task.user_id, old.task.provider, old.endpoint, old.model, old.status,
         or_null(old.waits_for_upstream, kNobody), or_null(parent_id != nullptr, parent_id ? std::string_view(parent_id->as_string()) : ""),
         old.legacy_id, or_null(!old.prompt.empty(), old.prompt), params, or_null(!old.inputs.empty(), inputs), old.images, old.cost,
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
    work_.tx.exec(
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
              {fmt::format("{} of {} tasks are in the history, {} of them with results.", taken_, rows, with_results_),
               fmt::format("{} / {} 个任务已进入历史记录，其中 {} 个带有结果。", taken_, rows, with_results_)},
              Level::info, rows, taken_);
    if (resumed_ != 0)
      work_.say(source_.table(), {fmt::format("{} unfinished tasks go on at the provider.", resumed_),
                                  fmt::format("{} 个未完成的任务将继续向服务商查询。", resumed_)});
    if (lost_ != 0)
      work_.say(source_.table(),
                {fmt::format("{} unfinished tasks were lost by the previous system and are shown as failed.", lost_),
                 fmt::format("{} 个未完成的任务已被旧系统丢失，显示为失败。", lost_)}, Level::warning);
    if (known_ != 0)
      work_.say(source_.table(), {fmt::format("{} tasks had been taken over before.", known_),
                                  fmt::format("{} 个任务此前已接管。", known_)});
    if (kept_ != 0)
      work_.say(source_.table(), {fmt::format("{} pictures, films and sounds that stood in the table in base64 are files now.", kept_),
                                  fmt::format("表中 {} 个 base64 图片、视频和音频已存为文件。", kept_)});
    if (unreadable_ != 0)
      work_.say(source_.table(),
                {fmt::format("{} values are no picture, film or sound; they stay in the old table only.", unreadable_),
                 fmt::format("{} 个值不是图片、视频或音频，仅保留在旧表中。", unreadable_)}, Level::warning);
    if (without_id_ != 0)
      work_.say(source_.table(), {fmt::format("{} rows without an id were left out.", without_id_),
                                  fmt::format("{} 行没有 id，未接管。", without_id_)}, Level::warning);
  }

  Work& work_;
  const OldTasks& kind_;
  Source source_;
  Columns columns_;
  std::int64_t taken_ = 0, with_results_ = 0, resumed_ = 0, lost_ = 0, known_ = 0, without_id_ = 0, kept_ = 0, unreadable_ = 0;
};

// Those whose owner has an account to give it to.
constexpr std::string_view kOwed =
    "FROM fg_task WHERE error_code = $1 AND charged > 0 AND legacy_id IS NOT NULL AND EXISTS "
    "(SELECT 1 FROM fg_credit_account a WHERE a.user_id = fg_task.user_id)";

}  // namespace

Owed owed(Tx& tx) {
  if (kind_of(tx, "fg_task") != Kind::table) return {};
  return tx.first(fmt::format("SELECT COUNT(*), COALESCE(SUM(charged), 0) {}", kOwed), {kLost},
                  [](const Row& row) { return Owed{row.i64(0), row.i64(1)}; }).value_or(Owed{});
}

Lines give_back(Tx& tx, Millis now) {
  struct Lost {
    std::string id, user_id;
    std::int64_t charged = 0;
  };
  const Owed all = owed(tx);
  if (all.tasks == 0) return {};
  for (;;) {
    const auto page = tx.all(fmt::format("SELECT id, user_id, charged {} ORDER BY id LIMIT 500", kOwed), {kLost},
                             [](const Row& row) { return Lost{row.str(0), row.str(1), row.i64(2)}; });
    if (page.empty()) break;
    for (const Lost& task : page) {
      tx.exec(
          "UPDATE fg_credit_account SET balance = balance + $1, updated_at = $2 WHERE user_id = $3",
          {task.charged, now, task.user_id});
      tx.exec(
          "INSERT INTO fg_credit_entry (id, user_id, kind, amount, balance_after, held_after, task_id, reason, created_at) "
          "SELECT $1, user_id, 'grant', $2, balance, held, $3, 'given back: lost by the previous system', $4 "
          "FROM fg_credit_account WHERE user_id = $5",
          {new_id(now), task.charged, task.id, now, task.user_id});
      tx.exec("UPDATE fg_task SET charged = 0, error_message = $2, rev = rev + 1, updated_at = $3 WHERE id = $1",
              {task.id, text_json(lost_text(task.charged, true)), now});
    }
  }
  const std::string credits = Credits::thousandths(all.amount).to_string();
  return {{"", {fmt::format("{} credits were given back for {} lost tasks.", credits, all.tasks),
                fmt::format("已为 {} 个丢失的任务退还 {} 积分。", all.tasks, credits)}, Level::info}};
}

void tasks_over(Work& work) {
  for (const OldTasks& kind : old_tasks())
    for (std::string& table : waiting(work.tx, kind.table)) TaskImport(work, kind, std::move(table)).run();
  work.tx.exec(
      "INSERT INTO fg_user_counter (user_id, provider, status, n) SELECT user_id, provider, status, COUNT(*) FROM fg_task WHERE 1 = 1 "
      "GROUP BY user_id, provider, status ON CONFLICT (user_id, provider, status) DO UPDATE SET n = excluded.n");
}

void give_back_over(Work& work) {
  if (!work.options.give_back) return;
  for (Line& line : give_back(work.tx, work.options.now)) work.lines.push_back(std::move(line));
}

void plan_tasks(Tx& tx, const Options& options, Lines& lines) {
  bool local_times = false;
  for (const OldTasks& kind : old_tasks())
    for (const std::string& table : still_here(tx, kind.table)) {
      std::int64_t rows = 0, unfinished = 0;
      tx.each(fmt::format("SELECT CAST(status AS TEXT), COUNT(*) FROM {} GROUP BY status", quoted_name(table)), {}, [&](const Row& row) {
        rows += row.i64(1);
        if (ended_by(row.text(0)) == Ended::unfinished) unfinished += row.i64(1);
      });
      lines.push_back({table,
                       {fmt::format("{} tasks go into the history as {}; the table stays as {}.", rows, kind.provider,
                                    table.ends_with("_legacy") ? table : fmt::format("{}_legacy", table)),
                        fmt::format("{} 个任务将作为 {} 进入历史记录，原表保留为 {}。", rows, kind.provider,
                                    table.ends_with("_legacy") ? table : fmt::format("{}_legacy", table))},
                       Level::info, rows, rows});
      local_times = local_times || (kind.local_times && rows != 0);
      if (unfinished == 0) continue;
      const Text way = kind.resumable
                           ? Text{"those younger than 24 hours with a request id go on at the provider, the others fail",
                                  "24 小时内且有请求编号的将继续查询，其余标记为失败"}
                           : Text{"they fail", "将标记为失败"};
      const Text money = options.give_back ? Text{"what was taken for them is given back", "扣除的积分将退还"}
                                           : Text{"no credits move (--give-back gives back what was taken for them, now or in a later repair)",
                                                  "积分不变动（使用 --give-back 可退还扣除的积分，现在或以后修复时均可）"};
      lines.push_back({table,
                       {fmt::format("{} tasks are unfinished: {}; {}.", unfinished, way.en, money.en),
                        fmt::format("{} 个任务未完成：{}；{}。", unfinished, way.zh, money.zh)},
                       Level::warning});
    }
  if (local_times)
    lines.push_back({"",
                     {"Dates without an offset are taken as UTC. The fork wrote when tasks of Midjourney, Kling and lip-sync began and ended in "
                      "its server's local time: if its clock was not UTC, those times are off by the difference; when tasks were made is not.",
                      "没有时区的日期按 UTC 读取。旧系统以服务器本地时间写入 Midjourney、Kling 和对口型任务的开始与结束时间：若其时钟不是 "
                      "UTC，这些时间会相差相应时差；任务的创建时间不受影响。"}});
}

}  // namespace fluxgate::db::adopt

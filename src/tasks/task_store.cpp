#include "tasks/task_store.h"

#include <fmt/format.h>

#include "notify/events.h"

namespace fluxgate::tasks::store {
namespace {

constexpr std::string_view kColumns =
    "id, user_id, provider, endpoint, model, status, rev, owner, fence, prompt, params, inputs, images, quote, "
    "quote_rev, charged, result, seed, error_code, error_param, error_message, tries, resubmits, not_before, "
    "cancel_requested_at, created_at, updated_at, started_at, completed_at, legacy_id";

boost::json::value parse_or_null(std::string_view text) {
  if (text.empty()) return nullptr;
  boost::system::error_code error;
  auto value = boost::json::parse(text, error);
  return error ? boost::json::value(nullptr) : value;
}

boost::json::object parse_object(std::string_view text) {
  auto value = parse_or_null(text);
  return value.is_object() ? std::move(value.as_object()) : boost::json::object{};
}

std::vector<std::string> parse_strings(std::string_view text) {
  std::vector<std::string> list;
  auto value = parse_or_null(text);
  if (auto* array = value.if_array())
    for (auto& item : *array)
      if (item.is_string()) list.emplace_back(item.as_string());
  return list;
}

Task read_task(const db::Row& row) {
  Task task;
  task.id = row.str(0);
  task.user_id = row.str(1);
  task.provider = row.str(2);
  task.endpoint = row.str(3);
  task.model = row.str(4);
  task.state = task_state(row.text(5)).value_or(TaskState::failed);
  task.rev = row.i64(6);
  task.owner = row.str(7);
  task.fence = row.i64(8);
  task.prompt = row.str(9);
  task.params = parse_object(row.text(10));
  task.inputs = parse_strings(row.text(11));
  task.images = static_cast<int>(row.i64(12));
  task.quote = row.credits(13);
  task.quote_rev = static_cast<int>(row.i64(14));
  task.charged = row.credits(15);
  task.result = parse_or_null(row.text(16));
  task.seed = row.str(17);
  task.error_code = row.str(18);
  task.error_param = row.str(19);
  auto message = parse_object(row.text(20));
  if (auto* en = message.if_contains("en"); en && en->is_string()) task.error_message.en = en->as_string();
  if (auto* zh = message.if_contains("zh"); zh && zh->is_string()) task.error_message.zh = zh->as_string();
  task.tries = static_cast<int>(row.i64(21));
  task.resubmits = static_cast<int>(row.i64(22));
  task.not_before = row.i64(23);
  task.cancel_requested_at = row.maybe_i64(24);
  task.created_at = row.i64(25);
  task.updated_at = row.i64(26);
  task.started_at = row.maybe_i64(27);
  task.completed_at = row.maybe_i64(28);
  task.legacy_id = row.str(29);
  return task;
}

std::string select(std::string_view rest) { return fmt::format("SELECT {} FROM fg_task {}", kColumns, rest); }

void count(db::Tx& tx, const Task& task, TaskState state, int by) {
  tx.exec(
      "INSERT INTO fg_user_counter (user_id, provider, status, n) VALUES ($1, $2, $3, $4) "
      "ON CONFLICT (user_id, provider, status) DO UPDATE SET n = fg_user_counter.n + $4",
      {task.user_id, task.provider, name(state), by});
}

void announce(db::Tx& tx, const Task& task, Millis now) {
  boost::json::object data{{"id", task.id},       {"provider", task.provider}, {"model", task.model},
                           {"rev", task.rev},     {"state", name(task.state)}, {"quote", task.quote.as_number()},
                           {"charged", task.charged.as_number()}};
  if (!task.error_code.empty()) data["error_code"] = task.error_code;
  if (auto account = credits::find_account(tx, task.user_id)) {
    data["credits_balance"] = account->available().as_number();
    data["credits_held"] = account->held.as_number();
  }
  notify::append(tx, task.user_id, "task.updated", data, now);
}

db::Param or_null(std::string_view text) { return text.empty() ? db::Param(nullptr) : db::Param(text); }

std::string in_states(const std::optional<std::vector<TaskState>>& states) {
  if (!states) return "";
  std::string list;
  for (TaskState state : *states) list += fmt::format("{}'{}'", list.empty() ? "" : ", ", name(state));
  return fmt::format(" AND status IN ({})", list.empty() ? "''" : list);
}

constexpr std::string_view kLive = "('queued', 'submitting', 'unknown', 'running', 'storing')";

}  // namespace

// ---- reading ----

std::optional<Task> find(db::Tx& tx, std::string_view id, std::string_view user_id) {
  static const std::string sql = select("WHERE id = $1 AND ($2 = '' OR user_id = $2)");
  static const std::string legacy = select("WHERE legacy_id = $1 AND ($2 = '' OR user_id = $2)");
  auto task = tx.first(sql, {id, user_id}, read_task);
  return task ? task : tx.first(legacy, {id, user_id}, read_task);
}

std::vector<TaskFile> files(db::Tx& tx, std::string_view task_id) {
  return tx.all(
      "SELECT f.position, f.file_id, g.filename, f.mime, f.seed, f.sha256, f.dominant_color, f.thumbhash, f.flagged, "
      "f.size, f.width, f.height FROM fg_task_file f LEFT JOIN generated_files g ON g.id = f.file_id "
      "WHERE f.task_id = $1 ORDER BY f.position",
      {task_id}, [](const db::Row& row) {
        TaskFile file;
        file.position = static_cast<int>(row.i64(0));
        file.file_id = row.str(1);
        file.name = row.str(2);
        file.mime = row.str(3);
        file.seed = row.str(4);
        file.sha256 = row.str(5);
        file.dominant_color = row.str(6);
        file.thumbhash = row.str(7);
        file.flagged = row.flag(8);
        file.size = static_cast<std::uint64_t>(row.i64(9));
        file.width = static_cast<int>(row.i64(10));
        file.height = static_cast<int>(row.i64(11));
        return file;
      });
}

std::vector<Task> history(db::Tx& tx, const HistoryQuery& query) {
  // The cursor is an id: ids sort by time, so the page starts where the last one ended, at any depth.
  std::string sql = select(fmt::format("WHERE user_id = $1 AND provider = $2{}{} ORDER BY id DESC LIMIT $3 OFFSET $4",
                                       in_states(query.states), query.cursor.empty() ? "" : " AND id < $5"));
  if (query.cursor.empty())
    return tx.all(sql, {query.user_id, query.provider, query.limit, query.offset}, read_task);
  return tx.all(sql, {query.user_id, query.provider, query.limit, query.offset, query.cursor}, read_task);
}

std::int64_t total(db::Tx& tx, const HistoryQuery& query) {
  return tx.number(fmt::format("SELECT COALESCE(SUM(n), 0) FROM fg_user_counter WHERE user_id = $1 AND provider = $2{}",
                               in_states(query.states)),
                   {query.user_id, query.provider});
}

namespace {
Attempt read_attempt(const db::Row& row) {
  return {row.str(0), row.str(1), static_cast<int>(row.i64(2)), row.str(3), parse_object(row.text(4)), row.i64(5)};
}
}  // namespace

std::optional<Attempt> last_attempt(db::Tx& tx, std::string_view task_id) {
  return tx.first(
      "SELECT id, task_id, number, account_id, reference, sent_at FROM fg_task_attempt WHERE task_id = $1 "
      "ORDER BY number DESC LIMIT 1",
      {task_id}, read_attempt);
}

std::optional<Attempt> find_attempt(db::Tx& tx, std::string_view attempt_id) {
  return tx.first(
      "SELECT id, task_id, number, account_id, reference, sent_at FROM fg_task_attempt WHERE id = $1", {attempt_id},
      read_attempt);
}

std::int64_t queue_position(db::Tx& tx, const Task& task, int limit) {
  return tx.number(
      "SELECT COUNT(*) FROM (SELECT 1 FROM fg_task WHERE status = 'queued' AND provider = $1 AND id < $2 LIMIT $3) ahead",
      {task.provider, task.id, limit});
}

// ---- submit ----

void insert(db::Tx& tx, const Task& task) {
  boost::json::array inputs(task.inputs.begin(), task.inputs.end());
  std::string params_text = boost::json::serialize(task.params);
  std::string inputs_text = boost::json::serialize(inputs);
  tx.exec(
      "INSERT INTO fg_task (id, user_id, provider, endpoint, model, status, prompt, params, inputs, images, quote, "
      "quote_rev, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)",
      {task.id, task.user_id, task.provider, task.endpoint, task.model, name(task.state), or_null(task.prompt),
       params_text, task.inputs.empty() ? db::Param(nullptr) : db::Param(inputs_text), task.images, task.quote,
       task.quote_rev, task.created_at});
  count(tx, task, task.state, 1);
  announce(tx, task, task.created_at);
}

// ---- claims ----

Claimed claim(db::Tx& tx, std::string_view provider, int limit, std::string after_user, const Claim& claim) {
  // One step of the index from user to user, then that user's oldest: nobody's backlog is read.
  static const std::string oldest = select(
      "WHERE status = 'queued' AND provider = $1 AND user_id = $2 AND owner IS NULL AND not_before <= $3 "
      "ORDER BY id LIMIT 1");
  Claimed claimed;
  bool from_start = after_user.empty();
  int taken_in_pass = 0;
  while (static_cast<int>(claimed.tasks.size()) < limit) {
    auto user = tx.first(
        "SELECT user_id FROM fg_task WHERE status = 'queued' AND provider = $1 AND user_id > $2 "
        "ORDER BY user_id LIMIT 1",
        {provider, after_user}, [](const db::Row& row) { return row.str(0); });
    if (!user) {
      if (from_start && taken_in_pass == 0) break;  // a whole round found nothing
      after_user.clear();
      from_start = true;
      taken_in_pass = 0;
      continue;
    }
    after_user = *user;
    auto task = tx.first(oldest, {provider, *user, claim.now}, read_task);
    if (!task) continue;
    if (tx.exec("UPDATE fg_task SET owner = $1, fence = fence + 1 WHERE id = $2 AND status = 'queued' AND owner IS NULL",
                {claim.node, task->id}) != 1)
      continue;
    task->owner = claim.node;
    ++task->fence;
    ++taken_in_pass;
    claimed.tasks.push_back(std::move(*task));
  }
  claimed.after_user = std::move(after_user);
  return claimed;
}

std::vector<Task> take_over(db::Tx& tx, const Claim& claim, int limit) {
  static const std::string orphans = select(fmt::format(
      "WHERE status IN {} AND owner IS NOT NULL AND owner <> $1 AND NOT EXISTS "
      "(SELECT 1 FROM fg_node n WHERE n.id = fg_task.owner AND n.lease_until > $2) LIMIT $3", kLive));
  std::vector<Task> taken;
  for (Task& task : tx.all(orphans, {claim.node, claim.now, limit}, read_task)) {
    if (tx.exec("UPDATE fg_task SET owner = $1, fence = fence + 1 WHERE id = $2 AND fence = $3",
                {claim.node, task.id, task.fence}) != 1)
      continue;
    task.owner = claim.node;
    ++task.fence;
    taken.push_back(std::move(task));
  }
  return taken;
}

bool give_back(db::Tx& tx, const Task& task, Millis not_before, Millis now) {
  return tx.exec(
             "UPDATE fg_task SET owner = NULL, not_before = $1, updated_at = $2 "
             "WHERE id = $3 AND status = 'queued' AND owner = $4 AND fence = $5",
             {not_before, now, task.id, task.owner, task.fence}) == 1;
}

// ---- transitions ----

bool move(db::Tx& tx, Task& task, const Move& move) {
  FLUX_ASSERT(can_move(task.state, move.to));
  const bool ends = is_final(move.to);
  const bool waits_again = move.to == TaskState::queued;
  const bool starts = move.to == TaskState::submitting;
  std::string result_text = move.result ? boost::json::serialize(*move.result) : "";
  std::string message_text =
      move.error_message == Text{}
          ? ""
          : boost::json::serialize(boost::json::object{{"en", move.error_message.en}, {"zh", move.error_message.zh}});
  auto changed = tx.exec(
      "UPDATE fg_task SET status = $1, rev = rev + 1, updated_at = $2, owner = CASE WHEN $3 = 1 THEN NULL ELSE owner END, "
      "error_code = $4, error_param = $5, error_message = $6, result = COALESCE($7, result), "
      "seed = COALESCE($8, seed), not_before = COALESCE($9, not_before), tries = tries + $10, "
      "resubmits = resubmits + $11, charged = $12, started_at = COALESCE(started_at, $13), completed_at = $14 "
      "WHERE id = $15 AND status = $16 AND COALESCE(owner, '') = $17 AND fence = $18",
      {name(move.to), move.now, ends || waits_again, or_null(move.error_code), or_null(move.error_param),
       or_null(message_text), or_null(result_text), or_null(move.seed), move.not_before, move.count_try,
       move.count_resubmit, move.captured, starts ? db::Param(move.now) : db::Param(nullptr),
       ends ? db::Param(move.now) : db::Param(nullptr), task.id, name(task.state), task.owner, task.fence});
  if (changed != 1) return false;

  count(tx, task, task.state, -1);
  task.state = move.to;
  ++task.rev;
  task.charged = move.captured;
  task.error_code = move.error_code;
  task.error_param = move.error_param;
  task.error_message = move.error_message;
  task.tries += move.count_try;
  task.resubmits += move.count_resubmit;
  task.updated_at = move.now;
  if (move.result) task.result = *move.result;
  if (!move.seed.empty()) task.seed = move.seed;
  if (starts && !task.started_at) task.started_at = move.now;
  if (ends) task.completed_at = move.now;
  if (ends || waits_again) task.owner.clear();
  count(tx, task, task.state, 1);
  if (ends) credits::settle(tx, task.user_id, task.id, move.captured, move.stamp);
  announce(tx, task, move.now);
  return true;
}

bool request_cancel(db::Tx& tx, const Task& task, Millis now) {
  static const std::string sql = fmt::format(
      "UPDATE fg_task SET cancel_requested_at = COALESCE(cancel_requested_at, $1), rev = rev + 1, updated_at = $1 "
      "WHERE id = $2 AND status IN {}", kLive);
  return tx.exec(sql, {now, task.id}) == 1;
}

void insert_attempt(db::Tx& tx, const Attempt& attempt) {
  tx.exec("INSERT INTO fg_task_attempt (id, task_id, number, account_id, sent_at) VALUES ($1, $2, $3, $4, $5)",
          {attempt.id, attempt.task_id, attempt.number, attempt.account_id, attempt.sent_at});
}

void accept_attempt(db::Tx& tx, std::string_view attempt_id, const boost::json::object& reference, Millis now) {
  std::string text = boost::json::serialize(reference);
  tx.exec("UPDATE fg_task_attempt SET reference = $1, accepted_at = $2, outcome = 'accepted' WHERE id = $3",
          {text, now, attempt_id});
}

void finish_attempt(db::Tx& tx, std::string_view attempt_id, std::string_view outcome, Millis now) {
  tx.exec("UPDATE fg_task_attempt SET outcome = $1, finished_at = $2 WHERE id = $3 AND finished_at IS NULL",
          {outcome, now, attempt_id});
}

void insert_file(db::Tx& tx, std::string_view task_id, const TaskFile& file) {
  tx.exec(
      "INSERT INTO fg_task_file (task_id, position, file_id, seed, flagged, sha256, mime, size, width, height, "
      "dominant_color, thumbhash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
      {task_id, file.position, file.file_id, or_null(file.seed), file.flagged, file.sha256, file.mime, file.size,
       file.width, file.height, or_null(file.dominant_color), or_null(file.thumbhash)});
}

// ---- learned durations ----

std::optional<std::int64_t> median_ms(db::Tx& tx, std::string_view model, std::string_view size_class) {
  return tx.first("SELECT median_ms FROM fg_model_stat WHERE model = $1 AND size_class = $2", {model, size_class},
                  [](const db::Row& row) { return row.i64(0); });
}

void learn(db::Tx& tx, std::string_view model, std::string_view size_class, std::int64_t duration_ms, Millis now) {
  // A running median: each sample pulls the estimate a bounded step towards itself, so that one stuck
  // task does not spoil it.
  auto known = median_ms(tx, model, size_class);
  std::int64_t estimate = duration_ms;
  if (known) {
    std::int64_t step = std::max<std::int64_t>(*known / 10, 20);
    estimate = *known + std::clamp(duration_ms - *known, -step, step);
  }
  tx.exec(
      "INSERT INTO fg_model_stat (model, size_class, median_ms, samples, updated_at) VALUES ($1, $2, $3, 1, $4) "
      "ON CONFLICT (model, size_class) DO UPDATE SET median_ms = $3, samples = fg_model_stat.samples + 1, updated_at = $4",
      {model, size_class, estimate, now});
}

}  // namespace fluxgate::tasks::store

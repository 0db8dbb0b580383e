#include "tasks/task_store.h"

#include <fmt/format.h>

#include "db/post.h"
#include "db/turns.h"
#include "notify/events.h"
#include "stats/usage.h"
#include "tasks/task_row.h"

namespace fluxgate::tasks::store {
namespace {

void count_new(db::Tx& tx, const Task& task) {
  db::post(tx,
      "INSERT INTO fg_user_counter (user_id, provider, status, n) VALUES ($1, $2, $3, 1) "
      "ON CONFLICT (user_id, provider, status) DO UPDATE SET n = fg_user_counter.n + 1",
      {task.user_id, task.provider, name(task.state)});
}

void count_moved(db::Tx& tx, const Task& task, TaskState to) {
  db::post(tx,
      "INSERT INTO fg_user_counter (user_id, provider, status, n) VALUES ($1, $2, $3, -1), ($1, $2, $4, 1) "
      "ON CONFLICT (user_id, provider, status) DO UPDATE SET n = fg_user_counter.n + excluded.n",
      {task.user_id, task.provider, name(task.state), name(to)});
}

void announce(db::Tx& tx, const Task& task, const std::optional<credits::Account>& account, Millis now) {
  boost::json::object data{{"id", task.id},       {"provider", task.provider}, {"model", task.model},
                           {"rev", task.rev},     {"state", name(task.state)}, {"quote", task.quote.as_number()},
                           {"charged", task.charged.as_number()}};
  if (!task.error_code.empty()) data["error_code"] = task.error_code;
  if (!task.batch_id.empty()) data["batch_id"] = task.batch_id;
  if (account) {
    data["credits_balance"] = account->available().as_number();
    data["credits_held"] = account->held.as_number();
  }
  notify::append(tx, task.user_id, "task.updated", data, now);
}

db::Param or_null(std::string_view text) { return text.empty() ? db::Param(nullptr) : db::Param(text); }

constexpr std::string_view kLive = "('queued', 'submitting', 'unknown', 'running', 'storing')";

// Other writers run beside us on PostgreSQL: account, batch, task, event is the order of locks (DESIGN §5.1). With
// the account first, all that happens to one user's tasks happens one after the other: counters and events, which
// they share, are never waited for crosswise. The batch's row makes sure that exactly one task is its last.
std::optional<credits::Account> lock_in_order(db::Tx& tx, const Task& task, bool ends) {
  auto account = credits::lock(tx, task.user_id);
  if (tx.dialect() == db::Dialect::postgresql && ends && !task.batch_id.empty())
    db::post(tx, "SELECT 1 FROM fg_batch WHERE id = $1 FOR UPDATE", {task.batch_id});
  return account;
}

stats::Outcome outcome_of(TaskState state) {
  if (state == TaskState::succeeded) return stats::Outcome::succeeded;
  return state == TaskState::cancelled ? stats::Outcome::cancelled : stats::Outcome::failed;
}

// A batch ends with its last task.
void end_batch_with(db::Tx& tx, const Task& task, Millis now) {
  static const std::string live = fmt::format("SELECT 1 FROM fg_task WHERE batch_id = $1 AND status IN {} LIMIT 1", kLive);
  if (task.batch_id.empty() || tx.number(live, {task.batch_id}) != 0) return;
  if (tx.exec("UPDATE fg_batch SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL", {now, task.batch_id}) == 0) return;
  boost::json::object counts;
  tx.each("SELECT status, COUNT(*) FROM fg_task WHERE batch_id = $1 GROUP BY status", {task.batch_id},
          [&](const db::Row& row) { counts[row.text(0)] = row.i64(1); });
  notify::append(tx, task.user_id, "batch.ended",
                 boost::json::object{{"batch_id", task.batch_id}, {"counts", std::move(counts)}}, now);
}

}  // namespace

// ---- reading ----

std::optional<Task> find(db::Tx& tx, std::string_view id, std::string_view user_id) {
  static const std::string sql = select_tasks("WHERE id = $1 AND ($2 = '' OR user_id = $2)");
  static const std::string legacy = select_tasks("WHERE legacy_id = $1 AND ($2 = '' OR user_id = $2)");
  auto task = tx.first(sql, {id, user_id}, read_task);
  return task ? task : tx.first(legacy, {id, user_id}, read_task);
}

std::vector<TaskFile> files(db::Tx& tx, std::string_view task_id) {
  return tx.all(
      "SELECT f.position, f.file_id, g.filename, f.mime, f.seed, f.sha256, f.dominant_color, f.thumbhash, f.flagged, "
      "f.size, f.width, f.height, g.status FROM fg_task_file f LEFT JOIN generated_files g ON g.id = f.file_id "
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
        file.deleted = row.text(12) != "uploaded";
        return file;
      });
}

namespace {
Attempt read_attempt(const db::Row& row) {
  return {row.str(0),    row.str(1),          static_cast<int>(row.i64(2)), row.str(3), parse_object(row.text(4)),
          row.i64(5), row.maybe_i64(6).has_value()};
}
}  // namespace

std::vector<Attempt> attempts(db::Tx& tx, std::string_view task_id) {
  return tx.all(
      "SELECT id, task_id, number, account_id, reference, sent_at, finished_at FROM fg_task_attempt WHERE task_id = $1 ORDER BY number",
      {task_id}, read_attempt);
}

std::optional<Attempt> last_attempt(db::Tx& tx, std::string_view task_id) {
  return tx.first(
      "SELECT id, task_id, number, account_id, reference, sent_at, finished_at FROM fg_task_attempt WHERE task_id = $1 "
      "ORDER BY number DESC LIMIT 1",
      {task_id}, read_attempt);
}

std::optional<Attempt> find_attempt(db::Tx& tx, std::string_view attempt_id) {
  return tx.first(
      "SELECT id, task_id, number, account_id, reference, sent_at, finished_at FROM fg_task_attempt WHERE id = $1", {attempt_id},
      read_attempt);
}

// ---- submit ----

void insert(db::Tx& tx, const Task& task, const credits::Account& account) {
  boost::json::array inputs(task.inputs.begin(), task.inputs.end());
  std::string params_text = boost::json::serialize(task.params);
  std::string inputs_text = boost::json::serialize(inputs);
  std::string result_text = task.result.is_null() ? "" : boost::json::serialize(task.result);
  db::post(tx,
      "INSERT INTO fg_task (id, user_id, provider, endpoint, model, status, prompt, params, inputs, images, quote, "
      "quote_rev, created_at, updated_at, priority, batch_id, cache_key, cached_from, charged, completed_at, result, seed) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15, $16, $17, $18, $19, $20, $21)",
      {task.id, task.user_id, task.provider, task.endpoint, task.model, name(task.state), or_null(task.prompt),
       params_text, task.inputs.empty() ? db::Param(nullptr) : db::Param(inputs_text), task.images, task.quote,
       task.quote_rev, task.created_at, static_cast<int>(task.priority), or_null(task.batch_id), or_null(task.cache_key),
       or_null(task.cached_from), task.charged, task.completed_at, or_null(result_text), or_null(task.seed)});
  count_new(tx, task);
  // The tasks of a batch are announced by their batch: one event, not a thousand.
  if (task.batch_id.empty()) announce(tx, task, account, task.created_at);
}

// ---- take-over ----

namespace {
constexpr Millis kNodesKept = 3'600'000;
}  // namespace

void renew_lease(db::Tx& tx, std::string_view node, Millis lease, Millis now) {
  const Millis at = db::shared_now(tx, now);  // clocks of machines differ
  db::post(tx,
      "INSERT INTO fg_node (id, lease_until, started_at) VALUES ($1, $2, $3) "
      "ON CONFLICT (id) DO UPDATE SET lease_until = $2",
      {node, at + lease, at});
  // One that lasts longer than any can was written before the clock was put back.
  db::post(tx, "UPDATE fg_node SET lease_until = $1 WHERE lease_until > $2", {at + lease, at + 2 * lease});
  db::post(tx, "DELETE FROM fg_node WHERE lease_until < $1", {at - kNodesKept});
}

void end_other_leases(db::Tx& tx, std::string_view node) { tx.exec("DELETE FROM fg_node WHERE id <> $1", {node}); }

void end_lease(db::Tx& tx, std::string_view node) { tx.exec("DELETE FROM fg_node WHERE id = $1", {node}); }

std::vector<Task> take_over(db::Tx& tx, std::string_view node, Millis now, int limit) {
  static const std::string orphans = select_tasks(fmt::format(
      "WHERE status IN {} AND owner IS NOT NULL AND owner <> $1 AND NOT EXISTS "
      "(SELECT 1 FROM fg_node n WHERE n.id = fg_task.owner AND n.lease_until > $2) ORDER BY id LIMIT $3", kLive));
  std::vector<Task> taken;
  for (Task& task : tx.all(orphans, {node, db::shared_now(tx, now), limit}, read_task)) {
    // The owner may live after all and have ended it since it was read, without another fence.
    if (tx.exec("UPDATE fg_task SET owner = $1, fence = fence + 1 WHERE id = $2 AND owner = $3 AND fence = $4",
                {node, task.id, task.owner, task.fence}) != 1)
      continue;
    task.owner = node;
    ++task.fence;
    taken.push_back(std::move(task));
  }
  return taken;
}

std::vector<Task> owned_by(db::Tx& tx, std::string_view node) {
  static const std::string sql = select_tasks("WHERE owner = $1 ORDER BY id");
  return tx.all(sql, {node}, read_task);
}

// ---- transitions ----

bool move(db::Tx& tx, Task& task, const Move& move) {
  FLUX_ASSERT(can_move(task.state, move.to));
  const bool ends = is_final(move.to);
  const bool waits_again = move.to == TaskState::queued;
  const bool starts = move.to == TaskState::submitting;
  auto account = lock_in_order(tx, task, ends);
  std::string result_text = move.result ? boost::json::serialize(*move.result) : "";
  std::string message_text =
      move.error_message == Text{}
          ? ""
          : boost::json::serialize(boost::json::object{{"en", move.error_message.en}, {"zh", move.error_message.zh}});
  auto changed = tx.exec(
      "UPDATE fg_task SET status = $1, rev = rev + 1, updated_at = $2, owner = CASE WHEN $3 = 1 THEN NULL ELSE owner END, "
      "account_id = CASE WHEN $19 = 1 THEN NULL ELSE account_id END, "
      "error_code = $4, error_param = $5, error_message = $6, result = COALESCE($7, result), "
      "seed = COALESCE($8, seed), not_before = COALESCE($9, not_before), tries = tries + $10, "
      "resubmits = resubmits + $11, charged = $12, started_at = COALESCE(started_at, $13), completed_at = $14 "
      "WHERE id = $15 AND status = $16 AND COALESCE(owner, '') = $17 AND fence = $18",
      {name(move.to), move.now, ends || waits_again, or_null(move.error_code), or_null(move.error_param),
       or_null(message_text), or_null(result_text), or_null(move.seed), move.not_before, move.count_try,
       move.count_resubmit, move.captured, starts ? db::Param(move.now) : db::Param(nullptr),
       ends ? db::Param(move.now) : db::Param(nullptr), task.id, name(task.state), task.owner, task.fence, waits_again});
  if (changed != 1) return false;

  count_moved(tx, task, move.to);
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
  if (waits_again) task.account_id.clear();
  if (ends) {
    const auto after = credits::settle(tx, task.user_id, task.id, move.captured, move.stamp);
    if (account) account = after;
    stats::count(tx, {task.user_id, task.provider, task.model, outcome_of(move.to), move.delivered, move.captured, move.now});
  }
  announce(tx, task, account, move.now);
  if (ends) end_batch_with(tx, task, move.now);
  return true;
}

bool request_cancel(db::Tx& tx, const Task& task, Millis now) {
  static const std::string sql = fmt::format(
      "UPDATE fg_task SET cancel_requested_at = COALESCE(cancel_requested_at, $1), rev = rev + 1, updated_at = $1 "
      "WHERE id = $2 AND status IN {}", kLive);
  return tx.exec(sql, {now, task.id}) == 1;
}

void insert_attempt(db::Tx& tx, const Attempt& attempt) {
  db::post(tx, "INSERT INTO fg_task_attempt (id, task_id, number, account_id, sent_at) VALUES ($1, $2, $3, $4, $5)",
          {attempt.id, attempt.task_id, attempt.number, attempt.account_id, attempt.sent_at});
}

void accept_attempt(db::Tx& tx, std::string_view attempt_id, const boost::json::object& reference, Millis now) {
  std::string text = boost::json::serialize(reference);
  db::post(tx, "UPDATE fg_task_attempt SET reference = $1, accepted_at = $2, outcome = 'accepted' WHERE id = $3",
          {text, now, attempt_id});
}

void finish_attempt(db::Tx& tx, std::string_view attempt_id, std::string_view outcome, Millis now) {
  db::post(tx, "UPDATE fg_task_attempt SET outcome = $1, finished_at = $2 WHERE id = $3 AND finished_at IS NULL",
          {outcome, now, attempt_id});
}

void insert_file(db::Tx& tx, std::string_view task_id, const TaskFile& file) {
  db::post(tx,
      "INSERT INTO fg_task_file (task_id, position, file_id, seed, flagged, sha256, mime, size, width, height, "
      "dominant_color, thumbhash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
      {task_id, file.position, file.file_id, or_null(file.seed), file.flagged, file.sha256, file.mime, file.size,
       file.width, file.height, or_null(file.dominant_color), or_null(file.thumbhash)});
}

}  // namespace fluxgate::tasks::store

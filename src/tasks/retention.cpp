#include "tasks/retention.h"

#include <algorithm>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "db/settings.h"
#include "tasks/id_range.h"
#include "tasks/task_row.h"
#include "tasks/task_store.h"

namespace fluxgate::tasks {
namespace {

constexpr std::string_view kKey = "retention";
constexpr std::string_view kEnded = "('succeeded', 'failed', 'cancelled')";
constexpr Millis kDay = 86'400'000;
constexpr int kUsersAtOnce = 200;

std::vector<Leaving> with_all(db::Tx& tx, std::vector<Task> tasks) {
  std::vector<Leaving> leaving;
  for (Task& task : tasks) {
    Leaving one;
    one.files = store::files(tx, task.id);
    one.attempts = store::attempts(tx, task.id);
    one.task = std::move(task);
    leaving.push_back(std::move(one));
  }
  return leaving;
}

struct Pile {
  std::string user_id, provider;
  std::int64_t tasks = 0;
};

}  // namespace

boost::json::object to_json(const Retention& rules) {
  return {{"days", rules.days}, {"tasks", rules.tasks}, {"archive", rules.archive}, {"rev", rules.rev}};
}

Retention load_retention(db::Tx& tx) {
  const auto stored = db::setting::load(tx, kKey);
  Retention rules;
  rules.days = static_cast<int>(db::setting::number(stored, "days", rules.days));
  rules.tasks = db::setting::number(stored, "tasks", rules.tasks);
  rules.archive = db::setting::flag(stored, "archive", rules.archive);
  rules.rev = db::setting::number(stored, "rev", 0);
  return rules;
}

bool save_retention(db::Tx& tx, const Retention& rules, Millis now) {
  return db::setting::save(tx, kKey, to_json(rules), rules.rev, now);
}

bool take_turn(db::Tx& tx, std::string_view job, std::string_view node, Millis lasts, Millis now) {
  const std::string name = fmt::format("turn:{}", job);
  return tx.exec(
             "INSERT INTO fg_once (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET "
             "value = $2, created_at = $3 WHERE fg_once.value = $2 OR fg_once.created_at < $4",
             {name, node, now, now - lasts}) == 1;
}

std::vector<Leaving> too_old(db::Tx& tx, const Retention& rules, Millis now, int limit) {
  if (rules.days == 0) return {};
  static const std::string sql = select_tasks(fmt::format("WHERE id < $1 AND status IN {} ORDER BY id LIMIT $2", kEnded));
  return with_all(tx, tx.all(sql, {first_id_at(now - rules.days * kDay), limit}, read_task));
}

std::vector<Leaving> too_many(db::Tx& tx, const Retention& rules, Millis now, int limit, std::string& user) {
  if (rules.tasks == 0) return {};
  static const std::string sql = select_tasks(fmt::format(
      "WHERE user_id = $1 AND provider = $2 AND id < $3 AND status IN {} ORDER BY id LIMIT $4", kEnded));
  // By the counters: nobody's history is read but that of those who have too much of it.
  const auto people = tx.all("SELECT DISTINCT user_id FROM fg_user_counter WHERE user_id > $1 ORDER BY user_id LIMIT $2",
                             {user, kUsersAtOnce}, [](const db::Row& row) { return row.str(0); });
  const auto piles = people.empty()
                         ? std::vector<Pile>{}
                         : tx.all("SELECT user_id, provider, SUM(n) FROM fg_user_counter WHERE user_id > $1 AND user_id <= $2 "
                                  "GROUP BY user_id, provider HAVING SUM(n) > $3 ORDER BY user_id, provider",
                                  {user, people.back(), rules.tasks},
                                  [](const db::Row& row) { return Pile{row.str(0), row.str(1), row.i64(2)}; });
  std::vector<Task> leaving;
  for (const Pile& pile : piles) {
    const auto room = static_cast<std::int64_t>(limit) - static_cast<std::int64_t>(leaving.size());
    auto some = tx.all(sql, {pile.user_id, pile.provider, first_id_at(now - kDay), std::min(room, pile.tasks - rules.tasks)}, read_task);
    const bool full = static_cast<std::int64_t>(some.size()) == room;
    std::ranges::move(some, std::back_inserter(leaving));
    if (full) return with_all(tx, std::move(leaving));  // this user again, next time
    user = pile.user_id;
  }
  user = static_cast<int>(people.size()) == kUsersAtOnce ? people.back() : "";
  return with_all(tx, std::move(leaving));
}

int remove(db::Tx& tx, const std::string& user_id, const std::vector<std::string>& ids, Millis now) {
  static const std::string ended = fmt::format(
      "SELECT provider, status, batch_id FROM fg_task WHERE id = $1 AND user_id = $2 AND status IN {}", kEnded);
  if (tx.dialect() == db::Dialect::postgresql)
    tx.number("SELECT 1 FROM fg_credit_account WHERE user_id = $1 FOR UPDATE", {user_id});
  struct Was {
    std::string provider, status, batch_id;
  };
  std::map<std::pair<std::string, std::string>, int> fewer;
  std::vector<std::string> batches;
  int gone = 0;
  for (const std::string& id : ids) {
    const auto was = tx.first(ended, {id, user_id}, [](const db::Row& row) { return Was{row.str(0), row.str(1), row.str(2)}; });
    // Ended tasks do not change any more; only another node could have been first.
    if (!was || tx.exec("DELETE FROM fg_task WHERE id = $1", {id}) != 1) continue;
    tx.exec("DELETE FROM fg_task_attempt WHERE task_id = $1", {id});
    tx.exec("DELETE FROM fg_task_file WHERE task_id = $1", {id});
    ++fewer[{was->provider, was->status}];
    if (!was->batch_id.empty()) batches.push_back(was->batch_id);
    ++gone;
  }
  if (gone == 0) return 0;
  for (const auto& [what, n] : fewer)
    tx.exec("UPDATE fg_user_counter SET n = n - $4 WHERE user_id = $1 AND provider = $2 AND status = $3",
            {user_id, what.first, what.second, n});
  for (const std::string& batch : batches)
    tx.exec("DELETE FROM fg_batch WHERE id = $1 AND ended_at IS NOT NULL AND NOT EXISTS "
            "(SELECT 1 FROM fg_task WHERE batch_id = $1)", {batch});
  // Keys that are of no use any more and would stand for nothing; the tidying may be behind.
  tx.exec("DELETE FROM fg_idempotency WHERE user_id = $1 AND created_at < $2", {user_id, now - kDay});
  // From now on the books have entries of tasks that are gone (credits/audit.cpp).
  tx.exec("INSERT INTO fg_once (name, created_at) VALUES ('tasks removed', $1) ON CONFLICT DO NOTHING", {now});
  return gone;
}

}  // namespace fluxgate::tasks

#include "tasks/waiting.h"

#include "base/log.h"
#include "tasks/task_row.h"

namespace fluxgate::tasks {
namespace {

constexpr Millis kLineFor = 1'000;
constexpr std::int64_t kCostShare = 50;  // reading the line takes at most this part of the time
constexpr std::chrono::milliseconds kTellEvery{2'000};
constexpr int kTasksTold = 100;          // of one user; nobody looks further down

std::int64_t slots_of(db::Tx& tx, const AccountStore& accounts, std::string_view provider) {
  std::int64_t slots = 0;
  for (const UpstreamAccount& account : accounts.accounts(tx, provider))
    if (account.enabled && !account.out_since) slots += account.max_concurrent;
  return slots;
}

std::vector<Task> waiting_of(db::Tx& tx, std::string_view user_id) {
  static const std::string sql =
      select_tasks("WHERE user_id = $1 AND status = 'queued' AND owner IS NULL ORDER BY id LIMIT $2");
  return tx.all(sql, {user_id, kTasksTold}, read_task);
}

boost::json::object told(const Task& task, const Progress& progress) {
  boost::json::object data{{"id", task.id}, {"rev", task.rev}, {"running", false}};
  if (!task.batch_id.empty()) data["batch_id"] = task.batch_id;
  data["queue_position"] = *progress.queue_position;
  if (progress.wait_ms) data["estimated_wait_s"] = (*progress.wait_ms + 999) / 1000;
  return data;
}

}  // namespace

std::shared_ptr<const Waiting::Known> Waiting::known(db::Tx& tx, const std::string& provider) {
  const Millis now = clock_.now_ms();
  {
    std::lock_guard lock(mutex_);
    auto found = lines_.find(provider);
    if (found != lines_.end()) {
      const Millis age = now - found->second->line.made_at();
      if (age >= 0 && age < std::max(kLineFor, found->second->cost_ms * kCostShare)) return found->second;
      // One reads it anew; the others go by the old one meanwhile.
      if (!reading_.insert(provider).second) return found->second;
    }
  }
  struct Done {
    Waiting& waiting;
    const std::string& provider;
    ~Done() {
      std::lock_guard lock(waiting.mutex_);
      waiting.reading_.erase(provider);
    }
  } done{*this, provider};
  auto fresh = std::make_shared<Known>(Known{Line::of(tx, provider, now), load_scheduling(tx), slots_of(tx, accounts_, provider), 0});
  fresh->cost_ms = std::max<std::int64_t>(0, clock_.now_ms() - now);
  std::lock_guard lock(mutex_);
  lines_[provider] = fresh;
  return fresh;
}

void Waiting::place(db::Tx& tx, const Task& task, Progress& progress) {
  if (!task.owner.empty()) {  // claimed: it is being prepared
    progress.queue_position = 0;
    progress.wait_ms = 0;
    return;
  }
  const auto line = known(tx, task.provider);
  const std::int64_t own = own_ahead(tx, task), ahead = line->line.ahead(task.priority, task.user_id, own);
  progress.queue_position = static_cast<int>(ahead);
  progress.wait_ms = line->line.wait_ms(ahead, line->slots);
  const auto limited = wait_for_limits(tx, line->rules, task, own);
  if (progress.wait_ms) progress.wait_ms = limited ? std::optional(std::max(*progress.wait_ms, *limited)) : std::nullopt;
}

awaitable<void> tell_places(CoroGroup& group, Wakeup& due, db::Database& database, notify::Hub& hub, Waiting& waiting) {
  std::unordered_map<std::string, int> last;  // by task: the place it was told
  while (!group.stopping()) {
    co_await due.wait_for(kTellEvery);
    std::unordered_map<std::string, int> told_now;
    for (const std::string& user : hub.listening()) {
      try {
        auto news = co_await database.read([user, &waiting](db::Tx& tx) {
          std::vector<std::pair<Task, Progress>> list;
          for (Task& task : waiting_of(tx, user)) {
            Progress progress;
            waiting.place(tx, task, progress);
            list.emplace_back(std::move(task), progress);
          }
          return list;
        });
        for (const auto& [task, progress] : news) {
          told_now[task.id] = *progress.queue_position;
          auto before = last.find(task.id);
          if (before != last.end() && before->second == *progress.queue_position) continue;
          hub.progress(user, {0, "task.progress", boost::json::serialize(told(task, progress))});
        }
      } catch (const std::exception& e) {
        log::error("the places in the line could not be told: {}", e.what());
      }
    }
    last = std::move(told_now);
  }
}

}  // namespace fluxgate::tasks

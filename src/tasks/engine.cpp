#include "tasks/engine.h"

#include <ctime>

#include "base/ids.h"
#include "base/log.h"

namespace fluxgate::tasks {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLeaseEvery{3'000};
constexpr Millis kLeaseMargin = 2'000;  // no paid request in the last moments of a lease
constexpr int kTakeOverAtOnce = 500;
constexpr int kClaimAtOnce = 256;
constexpr milliseconds kIdle{1'000};
constexpr Millis kLookAtLeastEvery = 15 * 60'000;  // at every task in flight, whatever the clock has done
constexpr std::string_view kTaskWord = "task ";   // begins the words between engines

// Goes on while the machine sleeps, as leases do.
Millis machine_steady() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return time.tv_sec * 1'000ll + time.tv_nsec / 1'000'000;
}

}  // namespace

Engine::Engine(boost::asio::any_io_executor executor, EngineParts parts, EngineOptions options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      group_(executor),
      flights_changed_(executor),
      work_waits_(executor),
      lease_due_(executor),
      durations_(parts_.database, parts_.clock) {
  if (!options_.steady) options_.steady = machine_steady;
}

Engine::~Engine() = default;

void Engine::start() {
  group_.spawn("the node's lease", keep_lease());
  if (!options_.works) return;
  group_.spawn("the engine", follow_flights());
  group_.spawn("the claims", claim_work());
}

awaitable<void> Engine::stop(milliseconds grace) {
  group_.stop();
  flights_changed_.notify();
  work_waits_.notify();
  lease_due_.notify();
  for (auto& [id, signal] : watching_) signal->emit(boost::asio::cancellation_type::terminal);
  // Whoever waits for the answer of a paid request is given the time; what is left ends when the client goes.
  boost::asio::steady_timer timer(group_.executor());
  auto deadline = std::chrono::steady_clock::now() + grace;
  while (group_.size() != 0 && std::chrono::steady_clock::now() < deadline) {
    timer.expires_after(milliseconds(20));
    co_await timer.async_wait(use_awaitable);
  }
  if (group_.size() == 0)
    co_await parts_.database.write([node = options_.node_id](db::Tx& tx) {
      store::end_lease(tx, node);
    });
}

void Engine::nudge() {
  flights_changed_.notify();
  work_waits_.notify();
  lease_due_.notify();
}

void Engine::wake(From from) {
  if (!options_.works) {
    if (from == From::here && parts_.neighbours) parts_.neighbours->tell_work();
    return;
  }
  if (woken_.exchange(true)) return;  // a wake-up is already on its way
  boost::asio::post(group_.executor(), [this] {
    woken_ = false;
    work_waits_.notify();
  });
}

void Engine::accounts_changed() {
  boost::asio::post(group_.executor(), [this] {
    accounts_read_at_ = 0;
    work_waits_.notify();
  });
}

void Engine::attend(std::string task_id) {
  boost::asio::post(group_.executor(), [this, id = std::move(task_id)] {
    if (!look_at(id)) parts_.database.announce(std::string(kTaskWord) + id);
  });
}

bool Engine::heard(std::string_view word) {
  if (!word.starts_with(kTaskWord)) return false;
  boost::asio::post(group_.executor(), [this, id = std::string(word.substr(kTaskWord.size()))] { look_at(id); });
  return true;
}

bool Engine::look_at(const std::string& id) {
  auto found = flights_.find(id);
  if (found == flights_.end()) return false;
  if (found->second.busy) {
    found->second.again = true;
    end_watch(id);
  } else {
    schedule(id, now());
  }
  return true;
}

void Engine::attend_to_cancels() {
  if (!options_.works) return;
  boost::asio::post(group_.executor(), [this] {
    if (!group_.stopping()) group_.spawn("missed cancels", find_cancels());
  });
}

awaitable<void> Engine::find_cancels() {
  auto ids = co_await parts_.database.read([node = options_.node_id](db::Tx& tx) {
    return tx.all("SELECT id FROM fg_task WHERE owner = $1 AND cancel_requested_at IS NOT NULL", {node},
                  [](const db::Row& row) { return row.str(0); });
  });
  for (const std::string& id : ids) look_at(id);
}

// ---- the node ----

bool Engine::lease_holds() const {
  return now() + kLeaseMargin < lease_until_ && options_.steady() + kLeaseMargin < lease_until_steady_;
}

awaitable<void> Engine::keep_lease() {
  while (!group_.stopping()) {
    try {
      co_await renew_lease();
      co_await durations_.flush();
    } catch (const std::exception& e) {
      log::error("the lease of this node could not be renewed: {}", e.what());
    }
    co_await lease_due_.wait_for(kLeaseEvery);
  }
}

awaitable<void> Engine::renew_lease() {
  // Counted from before the row is written: what others see ends later than what this node relies on.
  const Millis until = now() + store::kLease, until_steady = options_.steady() + store::kLease;
  co_await parts_.database.write([node = options_.node_id, sole = options_.sole_node, at = now()](db::Tx& tx) {
    store::renew_lease(tx, node, store::kLease, at);
    if (sole) store::end_other_leases(tx, node);
  });
  bool first = lease_until_ == 0;
  lease_until_ = until;
  lease_until_steady_ = until_steady;
  if (first) work_waits_.notify();
}

awaitable<void> Engine::take_over() {
  for (;;) {
    auto taken = co_await parts_.database.write(
        [node = options_.node_id, at = now()](db::Tx& tx) { return store::take_over(tx, node, at, kTakeOverAtOnce); });
    for (const Task& task : taken) adopt(task);
    if (!taken.empty()) log::info("took over {} tasks that were left unfinished", taken.size());
    if (taken.size() < kTakeOverAtOnce) co_return;
  }
}

// A COMMIT that nobody could tell the outcome of may have given this node tasks that it does not know it has, and that no
// other takes from it while it lives.
awaitable<void> Engine::find_own() {
  auto owned = co_await parts_.database.read([node = options_.node_id](db::Tx& tx) { return store::owned_by(tx, node); });
  for (const Task& task : owned)
    if (!flights_.contains(task.id)) adopt(task);
}

// ---- claims ----

awaitable<void> Engine::claim_work() {
  std::optional<Millis> orphans_looked_for;  // steady
  bool failed = false;
  while (!group_.stopping()) {
    try {
      if (lease_until_ != 0) {
        if (failed) co_await find_own();
        failed = false;
        co_await refresh_accounts();
        if (!orphans_looked_for || options_.steady() - *orphans_looked_for >= 5'000) {
          orphans_looked_for = options_.steady();
          co_await take_over();
        }
        bool more = false;
        for (const auto* adapter : parts_.adapters) {
          int claimed = co_await claim(std::string(adapter->provider()));
          more = more || claimed == kClaimAtOnce;
        }
        if (more) continue;
      }
    } catch (const std::exception& e) {
      log::error("waiting tasks could not be claimed: {}", e.what());
      failed = true;
    }
    co_await work_waits_.wait_for(kIdle);
  }
}

awaitable<int> Engine::claim(std::string provider) {
  auto open = rooms(provider);
  if (open && open->empty()) co_return 0;  // accounts that rest: the tasks wait for them
  // With nobody to send them to, tasks are claimed all the same: to be failed with the reason, not forgotten.
  constexpr int kToFail = 16;
  Claim mine{provider, options_.node_id, now(), open ? kClaimAtOnce : kToFail, open.value_or(std::vector<Room>{})};
  const bool worth = co_await parts_.database.read([mine](db::Tx& tx) { return worth_claiming(tx, mine); });
  if (!worth) co_return 0;
  auto claimed = co_await parts_.database.write([mine](db::Tx& tx) { return tasks::claim(tx, mine); });
  for (const Task& task : claimed) {
    parts_.health.with(task.account_id, [at = now()](Breaker& breaker) { breaker.given(at); });
    adopt(task);
  }
  co_return static_cast<int>(claimed.size());
}

// ---- flights ----

void Engine::adopt(const Task& task) {
  flights_.try_emplace(task.id);
  schedule(task.id, now());
}

void Engine::schedule(const std::string& id, Millis at) {
  auto found = flights_.find(id);
  if (found == flights_.end()) return;
  found->second.due = options_.steady() + std::clamp<Millis>(at - now(), 0, kLookAtLeastEvery);
  due_.push({found->second.due, id});
  flights_changed_.notify();
}

void Engine::forget(const std::string& id) {
  flights_.erase(id);
  if (parts_.progress.erase(id) && parts_.neighbours) parts_.neighbours->tell_no_progress(id);
  work_waits_.notify();  // a slot is free
}

awaitable<void> Engine::follow_flights() {
  while (!group_.stopping()) {
    launch_due();
    Millis wait = kIdle.count();
    if (!due_.empty() && steps_ < options_.max_steps) wait = std::clamp<Millis>(due_.top().at - options_.steady(), 1, wait);
    co_await flights_changed_.wait_for(milliseconds(wait));
  }
}

void Engine::launch_due() {
  while (!due_.empty() && due_.top().at <= options_.steady() && steps_ < options_.max_steps) {
    Due next = due_.top();
    due_.pop();
    auto found = flights_.find(next.id);
    // Entries are never removed from the middle of the queue: one that was rescheduled is stale.
    if (found == flights_.end() || found->second.busy || found->second.due != next.at) continue;
    found->second.busy = true;
    ++steps_;
    group_.spawn("a task's step", step(next.id));
  }
}

awaitable<void> Engine::step(std::string id) {
  bool failed = false;
  try {
    auto task = co_await parts_.database.read([id](db::Tx& tx) { return store::find(tx, id, ""); });
    if (!task || task->owner != options_.node_id || is_final(task->state)) forget(id);
    else co_await act(std::move(*task));
  } catch (const std::exception& e) {
    log::error("task {}: {}", id, e.what());
    failed = true;
  }
  --steps_;
  auto found = flights_.find(id);
  if (found != flights_.end()) {
    found->second.busy = false;
    if (failed) schedule(id, now() + 1'000);
    else if (std::exchange(found->second.again, false)) schedule(id, now());
    else due_.push({found->second.due, id});  // set while busy, when its entry may have been skipped
  }
  flights_changed_.notify();
}

awaitable<void> Engine::act(Task task) {
  switch (task.state) {
    case TaskState::queued: co_await submit(std::move(task)); break;
    case TaskState::submitting: {
      // Found only after a take-over: whether the request went out died with its sender.
      auto attempt = co_await parts_.database.read([id = task.id](db::Tx& tx) { return store::last_attempt(tx, id); });
      co_await answer_lost(std::move(task), attempt.value_or(Attempt{}));
      break;
    }
    case TaskState::unknown: co_await decide_unknown(std::move(task)); break;
    case TaskState::running: co_await poll(std::move(task)); break;
    case TaskState::storing: co_await deliver(std::move(task)); break;
    default: forget(task.id);
  }
}

// ---- endings ----

awaitable<bool> Engine::move(Task& task, store::Move change, std::string attempt_id, std::string attempt_outcome) {
  change.now = now();
  change.stamp = credits::make_stamp(change.now);
  auto moved = co_await parts_.database.write(
      [before = task, change, attempt_id, attempt_outcome](db::Tx& tx) -> std::optional<Task> {
        Task after = before;  // the closure may run twice
        if (!store::move(tx, after, change)) return std::nullopt;
        if (!attempt_id.empty()) store::finish_attempt(tx, attempt_id, attempt_outcome, change.now);
        return after;
      });
  if (!moved) {
    forget(task.id);  // cancelled in between, or another node's by now
    co_return false;
  }
  task = std::move(*moved);
  if (is_final(task.state) || task.state == TaskState::queued) forget(task.id);
  parts_.hub.changed(task.user_id);
  co_return true;
}

awaitable<void> Engine::end_failed(Task task, std::string code, Text message, std::string param) {
  store::Move change{.to = TaskState::failed};
  change.error_code = std::move(code);
  change.error_message = std::move(message);
  change.error_param = std::move(param);
  co_await move(task, std::move(change));
}

awaitable<void> Engine::end_cancelled(Task task) {
  store::Move change{.to = TaskState::cancelled};
  change.error_code = "cancelled";
  change.error_message = {"You cancelled this.", "任务已取消。"};
  co_await move(task, std::move(change));
}

}  // namespace fluxgate::tasks

// Running and unknown tasks: polling, cancelling, webhooks.
#include <cmath>

#include "base/crypto.h"
#include "base/log.h"
#include "tasks/engine.h"

namespace fluxgate::tasks {
namespace {

using providers::Decision;

constexpr Millis kWebhookKeysFor = 24ll * 3600 * 1000;

// What lies far ahead was written before the clock was put back: it is long ago. (Nodes' clocks differ a little.)
Millis since(Millis then, Millis now) {
  constexpr Millis kFarAhead = 60'000, kLongAgo = 24ll * 3600 * 1000;
  return then - now > kFarAhead ? kLongAgo : now - then;
}

Text timed_out() { return {"No result in time; we stopped waiting.", "等待超时，已停止。"}; }

}  // namespace

awaitable<void> Engine::poll(Task task) {
  auto attempt = co_await parts_.database.read([id = task.id](db::Tx& tx) { return store::last_attempt(tx, id); });
  if (!attempt) co_return co_await end_failed(std::move(task), "internal", Error().message());
  auto& flight = flights_[task.id];
  if (flight.sent_at == 0) {
    flight.sent_at = attempt->sent_at;
    flight.resumed = true;
  }

  if (task.cancel_requested_at) {
    if (since(*task.cancel_requested_at, now()) > options_.policy.cancel_wait_ms) {
      log::warn("task {}: cancelled without the upstream's word; its cost is the operator's", task.id);
      store::Move change{.to = TaskState::cancelled, .error_code = "cancelled",
                         .error_message = {"You cancelled this.", "任务已取消。"}};
      co_await move(task, std::move(change), attempt->id, "abandoned");
      co_return;
    }
    if (!flight.cancel_sent) co_return co_await cancel_upstream(std::move(task), std::move(*attempt));
  }
  if (now() - attempt->sent_at > options_.policy.task_deadline_ms) {
    static_cast<void>(co_await ask(providers::Intent::cancel, task, *attempt));
    store::Move change{.to = TaskState::failed, .error_code = "timeout", .error_message = timed_out()};
    co_await move(task, std::move(change), attempt->id, "abandoned");
    co_return;
  }
  if (auto later = no_status_call_before(attempt->account_id)) co_return schedule(task.id, *later);
  co_await look(std::move(task), std::move(*attempt));
}

awaitable<void> Engine::look(Task task, Attempt attempt) {
  const auto expected = co_await durations_.expected(task);
  const Follow follow = follow_by(task, attempt, expected);
  const bool watching = follow == Follow::watch;
  flights_[task.id].ended_by = watching ? Follow::poll : follow;
  Spoken spoken;
  if (watching) spoken = co_await watch(task, attempt);
  else spoken = co_await ask(providers::Intent::poll, task, attempt);
  co_await after_poll(std::move(task), std::move(attempt), std::move(spoken));
}

awaitable<void> Engine::after_poll(Task task, Attempt attempt, Spoken spoken) {
  if (auto* lost = std::get_if<Lost>(&spoken)) {
    log::info("task {}: status unknown for now ({})", task.id, lost->failure.detail);
    co_return co_await poll_again(std::move(task), std::move(attempt), std::nullopt, true);
  }
  auto& outcome = std::get<providers::Outcome>(spoken);
  if (auto* working = std::get_if<providers::Working>(&outcome)) {
    report(task, *working);
    co_return co_await poll_again(std::move(task), std::move(attempt), working->queue_position, false);
  }
  if (auto* done = std::get_if<providers::Done>(&outcome))
    co_return co_await on_done(std::move(task), std::move(attempt), std::move(*done));
  if (auto* why = std::get_if<providers::Failed>(&outcome))
    co_return co_await poll_failed(std::move(task), std::move(attempt), std::move(*why));
  co_await poll_again(std::move(task), std::move(attempt), std::nullopt, true);
}

awaitable<void> Engine::poll_failed(Task task, Attempt attempt, providers::Failed why) {
  switch (why.decision) {
    case Decision::retry: {
      // The upstream answers, and answers wrongly, again and again: about six minutes of it are enough.
      constexpr int kFailedAnswersMax = 15;
      if (flights_[task.id].failures + 1 < kFailedAnswersMax)
        co_return co_await poll_again(std::move(task), std::move(attempt), std::nullopt, true);
      store::Move change{.to = TaskState::failed, .error_code = why.code, .error_message = why.message};
      log::warn("task {}: given up after {} failed answers ({} {})", task.id, kFailedAnswersMax, why.code, why.detail);
      co_await move(task, std::move(change), attempt.id, "failed");
      co_return;
    }
    case Decision::account:  // the key may be put right; the task's deadline ends the wait
    case Decision::too_late:
      co_return co_await poll_again(std::move(task), std::move(attempt), std::nullopt, true);
    case Decision::lost: {
      constexpr int kAsksBeforeLost = 3;  // a 404 right after acceptance may be the upstream's own delay
      if (++flights_[task.id].failures < kAsksBeforeLost)
        co_return schedule(task.id, now() + 1'000 * flights_[task.id].failures);
      log::warn("task {}: the upstream does not know it any more", task.id);
      bool moved = co_await move(task, {.to = TaskState::unknown}, attempt.id, "lost");
      if (moved) schedule(task.id, now() + options_.policy.unknown_wait_ms);
      co_return;
    }
    case Decision::cancelled: {
      store::Move change{.to = TaskState::cancelled, .error_code = "cancelled",
                         .error_message = {"This was cancelled.", "任务已取消。"}};
      co_await move(task, std::move(change), attempt.id, "cancelled");
      co_return;
    }
    case Decision::reject:
    case Decision::fail: {
      store::Move change{.to = TaskState::failed};
      change.error_code = why.code;
      change.error_message = why.message;
      change.error_param = why.param;
      log::info("task {}: failed upstream ({} {})", task.id, why.code, why.detail);
      co_await move(task, std::move(change), attempt.id, "failed");
      co_return;
    }
  }
}

awaitable<void> Engine::poll_again(Task task, Attempt attempt, std::optional<int> queue_position, bool failed) {
  const auto expected = co_await durations_.expected(task);
  auto& flight = flights_[task.id];
  ++flight.looks;
  flight.failures = failed ? flight.failures + 1 : 0;
  if (failed)
    co_return schedule(task.id, now() + backoff_ms(options_.policy, std::min(flight.failures - 1, 5), std::nullopt,
                                                   crypto::random_u64()));
  const Millis elapsed = now() - flight.sent_at;
  flight.unfinished_ms = elapsed;
  const Millis wait = next_look_ms(expected, elapsed, flight.looks, queue_position, follow_by(task, attempt, expected));
  schedule(task.id, now() + wait);
}

void Engine::report(const Task& task, const providers::Working& working) {
  Progress progress = parts_.progress.get(task.id);
  Progress before = progress;
  progress.queue_position = working.queue_position;
  progress.fraction = working.progress;
  progress.upstream_running = working.running;
  bool same = before.queue_position == progress.queue_position && before.fraction == progress.fraction &&
              before.upstream_running == progress.upstream_running;
  if (same && before.queue_position) return;
  parts_.progress.put(task.id, progress);
  boost::json::object data{{"id", task.id}, {"rev", task.rev}, {"running", working.running}};
  if (working.queue_position) data["queue_position"] = *working.queue_position;
  if (working.progress) data["progress"] = *working.progress;
  parts_.hub.progress(task.user_id, {0, "task.progress", boost::json::serialize(data)});
  if (parts_.neighbours) parts_.neighbours->tell_progress(task.user_id, data);
}

awaitable<void> Engine::cancel_upstream(Task task, Attempt attempt) {
  flights_[task.id].cancel_sent = true;
  auto spoken = co_await ask(providers::Intent::cancel, task, attempt);
  if (auto* outcome = std::get_if<providers::Outcome>(&spoken))
    if (auto* why = std::get_if<providers::Failed>(outcome); why && why->decision == Decision::cancelled)
      co_return co_await poll_failed(std::move(task), std::move(attempt), std::move(*why));
  // Whatever it answered, its next status tells whether the work stopped or finished after all.
  schedule(task.id, now() + 200);
}

awaitable<void> Engine::decide_unknown(Task task) {
  auto attempt = co_await parts_.database.read([id = task.id](db::Tx& tx) { return store::last_attempt(tx, id); });
  if (attempt && !attempt->over && !attempt->reference.empty()) {
    // The answer came after all, to a node that did not own the task any more: the upstream can be asked.
    const bool moved = co_await move(task, {.to = TaskState::running});
    if (moved) schedule(task.id, now());
    co_return;
  }
  if (task.cancel_requested_at) {
    log::warn("task {}: cancelled while its submit was unanswered; a cost is the operator's", task.id);
    store::Move change{.to = TaskState::cancelled, .error_code = "cancelled",
                       .error_message = {"You cancelled this.", "任务已取消。"}};
    co_await move(task, std::move(change), attempt ? attempt->id : "", "abandoned");
    co_return;
  }
  bool webhook = !options_.public_url.empty();
  Millis waited = since(task.updated_at, now());
  switch (judge_unknown(options_.policy, task.quote, task.resubmits, waited, webhook)) {
    case UnknownVerdict::wait: {
      Millis limit = webhook ? options_.policy.unknown_wait_with_webhook_ms : options_.policy.unknown_wait_ms;
      schedule(task.id, task.updated_at + limit);
      co_return;
    }
    case UnknownVerdict::resubmit: {
      log::warn("task {}: sent again after an unanswered submit", task.id);
      store::Move change{.to = TaskState::queued, .not_before = now(), .count_resubmit = true};
      co_await move(task, std::move(change), attempt ? attempt->id : "", "superseded");
      co_return;
    }
    case UnknownVerdict::give_up: {
      store::Move change{.to = TaskState::failed, .error_code = "upstream_unknown"};
      change.error_message = {"The provider did not answer, and we cannot know whether it did the work. Your credits were returned.",
                              "服务商没有应答，无法确认是否已执行；积分已退回。"};
      co_await move(task, std::move(change), attempt ? attempt->id : "", "unknown");
      co_return;
    }
  }
}

// ---- webhooks ----

std::string Engine::hook_mac(std::string_view attempt_id) const {
  return crypto::hex(crypto::hmac_sha256(options_.hook_secret, attempt_id)).substr(0, 32);
}

awaitable<std::vector<std::string>> Engine::webhook_keys(const UpstreamAccount& account, const providers::Adapter& adapter) {
  auto& [fetched_at, keys] = webhook_keys_[account.account.base_url];
  if (fetched_at != 0 && options_.steady() - fetched_at < kWebhookKeysFor) co_return keys;
  auto request = adapter.webhook_keys_request(account.account);
  if (!request) co_return std::vector<std::string>{};
  auto reply = co_await parts_.client.call(std::move(*request), {});
  if (!reply) co_return std::vector<std::string>{};
  auto read = adapter.read_webhook_keys(*reply);
  if (!read.empty()) webhook_keys_[account.account.base_url] = {options_.steady(), read};
  co_return read;
}

awaitable<void> Engine::on_webhook(std::string attempt_id, HeaderList headers, std::string body) {
  struct Known {
    Task task;
    Attempt attempt;
  };
  auto known = co_await parts_.database.read([attempt_id](db::Tx& tx) -> std::optional<Known> {
    auto attempt = store::find_attempt(tx, attempt_id);
    auto task = attempt ? store::find(tx, attempt->task_id, "") : std::nullopt;
    if (!task) return std::nullopt;
    return Known{*task, *attempt};
  });
  if (!known || is_final(known->task.state)) co_return;
  if (known->task.owner != options_.node_id) co_return attend(known->task.id);
  auto flight = flights_.find(known->task.id);
  bool ours = flight != flights_.end() && !flight->second.busy &&
              (known->task.state == TaskState::running || known->task.state == TaskState::unknown);
  const auto* speaker = adapter(known->task.provider);
  const auto* found = account(known->task.provider, known->attempt.account_id);
  if (!ours || !speaker || !found) co_return attend(known->task.id);

  // A verified call may end the task; held as busy, so that no poll comes between.
  flight->second.busy = true;
  flight->second.ended_by = Follow::webhook;
  ++steps_;
  UpstreamAccount with = *found;
  try {
    auto keys = co_await webhook_keys(with, *speaker);
    providers::Job job;
    job.attempt_id = known->attempt.id;
    job.model = known->task.model;
    job.reference = known->attempt.reference;
    auto verdict = speaker->on_webhook(headers, body, job, with.account, now(), keys);
    if (verdict.verified && verdict.outcome && !std::holds_alternative<providers::Working>(*verdict.outcome))
      co_await after_poll(known->task, known->attempt, std::move(*verdict.outcome));
    else if (known->task.state == TaskState::running)
      schedule(known->task.id, now());
  } catch (const std::exception& e) {
    log::error("webhook of task {}: {}", known->task.id, e.what());
  }
  --steps_;
  auto after = flights_.find(known->task.id);
  if (after != flights_.end()) {
    after->second.busy = false;
    due_.push({after->second.due, known->task.id});
    flights_changed_.notify();
  }
}

}  // namespace fluxgate::tasks

// From queued to running: prepare, commit `submitting`, send the one paid request, hear the answer.
#include "base/crypto.h"
#include "base/ids.h"
#include "base/log.h"
#include "tasks/engine.h"

namespace fluxgate::tasks {
namespace {

using providers::Decision;
using providers::Took;

Error upstream_off() {
  return Error(Errc::unavailable, "upstream_auth",
               {"This provider is not set up correctly; an administrator has to look at it.",
                "该服务商配置有误，请联系管理员。"});
}

// The user's sentence for a task that was tried too often.
Text gave_up(const providers::Failed& why) {
  if (!why.message.en.empty()) return why.message;
  return {"The provider is overloaded or unreachable; we stopped trying.", "服务商过载或无法连接，已停止重试。"};
}

}  // namespace

awaitable<void> Engine::submit(Task task) {
  if (task.cancel_requested_at) co_return co_await end_cancelled(std::move(task));
  const auto* found = task.account_id.empty() ? nullptr : account(task.provider, task.account_id);
  if (!found) {
    // The list may be older than the task, and another node may have been given an account since.
    accounts_read_at_ = 0;
    co_await refresh_accounts();
    if (rooms(task.provider)) {
      // There is one after all, or there are others than the one that went while the task was on its way to it.
      co_await parts_.database.write([task, at = now()](db::Tx& tx) { give_back(tx, task, at, at); });
      co_return forget(task.id);
    }
    // Claimed with nobody to send it to.
    Error why = upstream_off();
    co_return co_await end_failed(std::move(task), why.code(), why.message());
  }
  UpstreamAccount with = *found;

  Attempt attempt;
  attempt.id = new_id(now());
  attempt.task_id = task.id;
  attempt.account_id = with.account.id;
  auto prepared = co_await prepare(task, attempt.id);
  if (!prepared) {
    const Error& why = prepared.error();
    std::string param = why.context().contains("param") ? std::string(why.context().at("param").as_string()) : "";
    co_return co_await end_failed(std::move(task), why.code(), why.message(), std::move(param));
  }
  providers::Job job = std::move(*prepared);

  const auto* speaker = adapter(task.provider);
  auto first = speaker->next(providers::Intent::submit, job, with.account, moment(), "", nullptr);
  auto spoken = co_await speak(providers::Intent::submit, job, with, std::move(first), Paid::stop_before);
  auto* outcome = std::get_if<providers::Outcome>(&spoken);
  if (outcome && std::holds_alternative<providers::Send>(*outcome)) {
    providers::Outcome paid = std::move(*outcome);
    bool committed = co_await commit_submitting(task, attempt);
    if (!committed) co_return;
    spoken = co_await speak(providers::Intent::submit, std::move(job), with, std::move(paid), Paid::send);
  }
  co_await after_submit(std::move(task), std::move(attempt), std::move(with), std::move(spoken));
}

awaitable<Result<providers::Job>> Engine::prepare(const Task& task, const std::string& attempt_id) {
  auto catalogue = parts_.catalogue.get();
  const auto* model = catalogue->find(task.model);
  if (!model)
    co_return fail(Errc::invalid, "model_removed", {"This model is not offered any more.", "该模型已下线。"});
  std::vector<std::string> inputs;
  for (const std::string& value : task.inputs) {
    auto resolved = co_await resolve_input(value, task.user_id);
    if (!resolved) co_return fail(std::move(resolved).error());
    inputs.push_back(std::move(*resolved));
  }
  providers::Job job;
  job.attempt_id = attempt_id;
  job.model = task.model;
  job.path = model->upstream_path(task.endpoint);
  job.body = model->upstream_body(task.endpoint, task.params, inputs);
  if (!options_.public_url.empty())
    job.webhook_url = options_.public_url + "/hooks/" + attempt_id + "/" + hook_mac(attempt_id);
  co_return job;
}

// A file of ours becomes a link the upstream can fetch, or the bytes themselves; anything else was
// checked at submit and goes as it is.
awaitable<Result<std::string>> Engine::resolve_input(std::string value, std::string user_id) {
  std::string file_id = parts_.files.file_id_of(value);
  if (file_id.empty()) co_return value;
  auto row = co_await parts_.database.read(
      [&files = parts_.files, file_id, user_id](db::Tx& tx) { return files.find(tx, file_id, user_id); });
  if (!row)
    co_return fail(Errc::invalid, "input_gone", {"An input image does not exist any more.", "输入图片已不存在。"});
  if (!options_.public_url.empty())
    co_return options_.public_url + parts_.files.link(row->id, row->filename, now());
  constexpr std::uint64_t kInlineLimit = 10 * 1024 * 1024;
  auto inlined = co_await parts_.files.data_uri(row->key, kInlineLimit);
  co_return inlined;
}

// The last thing before the first byte goes out. Afterwards a crash leaves the question open whether it
// did, so this must be on disk first, and the node must be sure that it still is the owner.
awaitable<bool> Engine::commit_submitting(Task& task, Attempt& attempt) {
  if (!lease_holds()) {
    log::warn("task {} waits: this node's lease is not certain", task.id);
    schedule(task.id, now() + 1'000);
    co_return false;
  }
  store::Move change{.to = TaskState::submitting, .now = now()};
  attempt.sent_at = change.now;
  auto moved = co_await parts_.database.write([before = task, change, attempt](db::Tx& tx) -> std::optional<Task> {
    auto fresh = store::find(tx, before.id, "");
    if (!fresh || fresh->cancel_requested_at) return std::nullopt;
    Task after = before;
    Attempt next = attempt;
    auto last = store::last_attempt(tx, before.id);
    next.number = last ? last->number + 1 : 1;
    if (!store::move(tx, after, change)) return std::nullopt;
    store::insert_attempt(tx, next);
    return after;
  });
  if (!moved) {
    schedule(task.id, now());  // to be ended when its user cancelled it, to be forgotten when it is another's
    co_return false;
  }
  task = std::move(*moved);
  parts_.hub.changed(task.user_id);
  co_return true;
}

awaitable<void> Engine::after_submit(Task task, Attempt attempt, UpstreamAccount account, Spoken spoken) {
  co_await judge(account, spoken);
  if (auto* lost = std::get_if<Lost>(&spoken)) {
    if (lost->failure.sent == net::Failure::Sent::maybe && task.state == TaskState::submitting)
      co_return co_await answer_lost(std::move(task), std::move(attempt));
    providers::Failed why{.decision = Decision::retry, .took = Took::no, .code = "upstream_down"};
    why.detail = lost->failure.detail;
    co_return co_await not_accepted(std::move(task), std::move(attempt), std::move(account), std::move(why));
  }
  auto& outcome = std::get<providers::Outcome>(spoken);
  if (auto* answer = std::get_if<providers::Accepted>(&outcome))
    co_return co_await accepted(std::move(task), std::move(attempt), std::move(*answer));
  if (auto* done = std::get_if<providers::Done>(&outcome))
    co_return co_await on_done(std::move(task), std::move(attempt), std::move(*done));
  if (auto* why = std::get_if<providers::Failed>(&outcome)) {
    if (why->took == Took::maybe && why->decision == Decision::retry && task.state == TaskState::submitting)
      co_return co_await answer_lost(std::move(task), std::move(attempt));
    co_return co_await not_accepted(std::move(task), std::move(attempt), std::move(account), std::move(*why));
  }
  log::error("the adapter of {} gave no answer to a submit", task.provider);
  co_await answer_lost(std::move(task), std::move(attempt));
}

awaitable<void> Engine::accepted(Task task, Attempt attempt, providers::Accepted answer) {
  store::Move change{.to = TaskState::running, .now = now()};
  auto moved = co_await parts_.database.write(
      [before = task, change, id = attempt.id, reference = answer.reference](db::Tx& tx) -> std::optional<Task> {
        Task after = before;
        // The reference is kept whoever owns the task by now: it is the only way to find the paid work again.
        store::accept_attempt(tx, id, reference, change.now);
        return store::move(tx, after, change) ? std::optional(after) : std::nullopt;
      });
  if (!moved) {
    forget(task.id);
    co_return attend(task.id);  // whoever has it by now can ask for it with this reference
  }
  parts_.hub.changed(moved->user_id);
  auto& flight = flights_[task.id];
  flight.sent_at = attempt.sent_at;
  flight.looks = flight.failures = 0;
  report(*moved, providers::Working{false, answer.queue_position, std::nullopt});
  const auto expected = co_await durations_.expected(task);
  const Millis first = attempt.sent_at + first_look_ms(expected, follow_by(task, attempt, std::nullopt));
  schedule(task.id, moved->cancel_requested_at ? now() : std::max(now(), first));
}

// Certainly not accepted: nothing was bought, so it may be tried again, here or on another account.
awaitable<void> Engine::not_accepted(Task task, Attempt attempt, UpstreamAccount account, providers::Failed why) {
  if (why.decision == Decision::account) co_await take_out(account, why);
  bool again = why.decision == Decision::retry || why.decision == Decision::account;
  const bool elsewhere = why.decision != Decision::account || has_other_account(account.account);
  if (why.decision == Decision::account && !elsewhere) {
    Error off = upstream_off();
    why.code = off.code();
    why.message = off.message();
  }
  store::Move change{.to = TaskState::failed};
  if (again && elsewhere && task.tries + 1 < options_.policy.max_tries) {
    change.to = TaskState::queued;
    change.count_try = true;
    change.not_before = now() + backoff_ms(options_.policy, task.tries, why.retry_after_s, crypto::random_u64());
    // Another account that works takes it at once; after a round of all of them it waits.
    const auto others = rooms(task.provider);
    const auto count = others ? static_cast<int>(others->size()) : 0;
    if (why.decision == Decision::account || (count > 1 && (task.tries + 1) % count != 0)) change.not_before = now();
  } else {
    change.error_code = why.code.empty() ? "upstream_down" : why.code;
    change.error_message = gave_up(why);
    change.error_param = why.param;
  }
  log::info("task {}: not accepted ({} {})", task.id, why.code, why.detail);
  if (task.state == TaskState::queued && change.to == TaskState::queued) {
    // It failed before the paid step, so there is no state to leave; it only waits.
    co_await parts_.database.write([task, at = *change.not_before, n = now()](db::Tx& tx) {
      tx.exec("UPDATE fg_task SET tries = tries + 1 WHERE id = $1 AND fence = $2", {task.id, task.fence});
      give_back(tx, task, at, n);
    });
    co_return forget(task.id);
  }
  std::string recorded = task.state == TaskState::submitting ? attempt.id : "";
  co_await move(task, std::move(change), recorded, "refused");
}

awaitable<void> Engine::answer_lost(Task task, Attempt attempt) {
  log::warn("task {}: the answer to its submit was lost", task.id);
  bool moved = co_await move(task, {.to = TaskState::unknown});
  if (!moved) co_return;
  static_cast<void>(attempt);
  schedule(task.id, now() + options_.policy.unknown_wait_ms);
}

}  // namespace fluxgate::tasks

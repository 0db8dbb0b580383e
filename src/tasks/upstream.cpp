// Accounts, and conversations with the upstream through an adapter.
#include <algorithm>

#include <fmt/format.h>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/log.h"
#include "notify/alerts.h"
#include "tasks/engine.h"

namespace fluxgate::tasks {
namespace {
constexpr Millis kAccountsFor = 2'000;
constexpr int kRestsBeforeAlert = 3;  // a short outage mends itself
}

awaitable<void> Engine::refresh_accounts() {
  if (accounts_read_at_ != 0 && options_.steady() - accounts_read_at_ < kAccountsFor) co_return;
  accounts_read_at_ = options_.steady();
  for (const auto* adapter : parts_.adapters) {
    std::string provider(adapter->provider());
    auto list = co_await parts_.database.read(
        [&store = parts_.accounts, provider](db::Tx& tx) { return store.accounts(tx, provider); });
    for (const UpstreamAccount& fresh : list) {
      const auto* known = account(provider, fresh.account.id);
      // Saved meanwhile, at whichever node: it begins anew here too.
      if (known && known->rev != fresh.rev && !fresh.out_since) parts_.health.forget(fresh.account.id);
    }
    accounts_[provider] = std::move(list);
  }
}

namespace {
bool usable(const UpstreamAccount& account) { return account.enabled && !account.out_since; }
}  // namespace

std::optional<std::vector<Room>> Engine::rooms(std::string_view provider) const {
  std::optional<std::vector<Room>> open;
  auto list = accounts_.find(std::string(provider));
  if (list == accounts_.end()) return open;
  for (const auto& account : list->second) {
    if (!usable(account)) continue;
    if (!open) open.emplace();
    const int room = parts_.health.of(account.account.id).room(now());
    if (room == 0) continue;
    Room& made = open->emplace_back(Room{account.account.id, account.weight, account.max_concurrent});
    if (room > 0) made.at_most = room;
  }
  return open;
}

const UpstreamAccount* Engine::account(std::string_view provider, std::string_view id) const {
  auto list = accounts_.find(std::string(provider));
  if (list == accounts_.end()) return nullptr;
  for (const auto& account : list->second)
    if (account.account.id == id) return &account;
  return nullptr;
}

bool Engine::has_other_account(const providers::Account& than) const {
  auto list = accounts_.find(than.provider);
  return list != accounts_.end() && std::ranges::any_of(list->second, [&than](const UpstreamAccount& other) {
    return usable(other) && other.account.id != than.id;
  });
}

const providers::Adapter* Engine::adapter(std::string_view provider) const {
  for (const auto* adapter : parts_.adapters)
    if (adapter->provider() == provider) return adapter;
  return nullptr;
}

// Status calls of an account are bounded by the second. When the second is used up: when to come back.
std::optional<Millis> Engine::no_status_call_before(const std::string& account_id) {
  auto& [second, used] = status_calls_[account_id];
  Millis current = now() / 1000;
  if (second != current) {
    second = current;
    used = 0;
  }
  if (used < options_.policy.status_calls_per_s) {
    ++used;
    return std::nullopt;
  }
  return (current + 1) * 1000 + static_cast<Millis>(crypto::random_u64() % 500);
}

providers::Adapter::Moment Engine::moment() const { return {now(), new_id(now())}; }

awaitable<Engine::Spoken> Engine::speak(providers::Intent intent, providers::Job job, UpstreamAccount account,
                                        providers::Outcome outcome, Paid paid) {
  const auto* speaker = adapter(account.account.provider);
  constexpr int kMaxExchanges = 64;  // a conversation without an end is a bug of an adapter
  for (int exchange = 0; exchange < kMaxExchanges; ++exchange) {
    auto* send = std::get_if<providers::Send>(&outcome);
    if (!send || (send->paid && paid == Paid::stop_before)) break;
    // A process that stood still since `submitting` was committed may not own the task any more.
    if (send->paid && !lease_holds())
      co_return Lost{{net::Failure::Kind::cancelled, net::Failure::Sent::no, "this node's lease ran out before it was sent"}};
    net::CallOptions call;
    call.timeout = std::chrono::seconds(send->timeout_s > 0 ? send->timeout_s : account.timeout_s);
    if (send->timeout_s > 0) call.stall_timeout = call.timeout;  // silent until the work is done
    call.max_body = send->max_body;
    call.exactly_once = send->paid;
    std::string step = send->step;
    auto reply = co_await parts_.client.call(std::move(send->request), call);
    if (!reply) co_return Lost{reply.error()};
    outcome = speaker->next(intent, job, account.account, moment(), step, &*reply);
  }
  co_return outcome;
}

std::optional<Engine::Subject> Engine::subject(const Task& task, const Attempt& attempt) const {
  const auto* speaker = adapter(task.provider);
  const auto* found = account(task.provider, attempt.account_id);
  if (!speaker || !found) return std::nullopt;
  Subject subject{speaker, *found, {}};
  subject.job.attempt_id = attempt.id;
  subject.job.model = task.model;
  auto catalogue = parts_.catalogue.get();
  if (const auto* model = catalogue->find(task.model)) subject.job.path = model->upstream_path(task.endpoint);
  subject.job.reference = attempt.reference;
  return subject;
}

// A conversation about an attempt that is under way.
awaitable<Engine::Spoken> Engine::ask(providers::Intent intent, const Task& task, const Attempt& attempt) {
  auto about = subject(task, attempt);
  if (!about) {
    providers::Failed gone{.decision = providers::Decision::account, .code = "upstream_auth"};
    gone.detail = "the account of this attempt does not exist any more";
    co_return gone;
  }
  auto first = about->speaker->next(intent, about->job, about->account.account, moment(), "", nullptr);
  auto spoken = co_await speak(intent, std::move(about->job), std::move(about->account), std::move(first), Paid::stop_before);
  co_return spoken;
}

awaitable<Result<void>> Engine::probe(UpstreamAccount with) {
  const auto* speaker = adapter(with.account.provider);
  if (!speaker) co_return fail(Errc::not_found, "provider_unknown", {"There is no such provider.", "没有这个服务商。"});
  auto first = speaker->next(providers::Intent::probe, {}, with.account, moment(), "", nullptr);
  auto spoken = co_await speak(providers::Intent::probe, {}, with, std::move(first), Paid::stop_before);
  if (auto* lost = std::get_if<Lost>(&spoken))
    co_return std::unexpected(Error(Errc::upstream, "upstream_down",
                                    {"The provider cannot be reached: " + lost->failure.detail,
                                     "无法连接服务商：" + lost->failure.detail}));
  auto& outcome = std::get<providers::Outcome>(spoken);
  if (auto* why = std::get_if<providers::Failed>(&outcome))
    co_return std::unexpected(Error(Errc::upstream, why->code, why->message).log(why->detail));
  co_return Result<void>{};
}

// What the end of a submit says about the account (account_health.h).
awaitable<void> Engine::judge(UpstreamAccount account, Spoken spoken) {
  const std::string& account_id = account.account.id;
  const std::string& name = account.name.empty() ? account_id : account.name;
  const auto* outcome = std::get_if<providers::Outcome>(&spoken);
  const auto* why = outcome ? std::get_if<providers::Failed>(outcome) : nullptr;
  if (why && why->decision == providers::Decision::account) co_return;  // it is taken out, which says more
  const auto* lost = std::get_if<Lost>(&spoken);
  if (lost && lost->failure.kind == net::Failure::Kind::cancelled) co_return;  // by this node, which says nothing of the account
  const bool worked = outcome && !(why && why->decision == providers::Decision::retry);
  // The answer of the submit is still to be written down: what cannot be told of the account must not take it along.
  try {
    if (worked) {
      parts_.health.with(account_id, [](Breaker& breaker) { breaker.succeeded(); });
      if (well_.contains(account_id)) co_return;
      co_await parts_.database.write([account_id, at = now()](db::Tx& tx) { notify::resolve(tx, "account_resting", account_id, at); });
      well_.insert(account_id);
      co_return;
    }
    struct Change { bool opened = false; int rests = 0; };
    const Change change = parts_.health.with(account_id, [at = now()](Breaker& breaker) {
      const bool opened = breaker.failed(at);
      return Change{opened, breaker.rests()};
    });
    if (!change.opened) co_return;
    log::warn("upstream account {} rests: its submits fail", name);
    if (change.rests < kRestsBeforeAlert) co_return;
    well_.erase(account_id);
    const Text message{fmt::format("Account {} has failed for a while and is tried now and then; tasks wait or go to others.", name),
                       fmt::format("账户 {} 持续失败，正在间隔重试；任务将等待或改用其他账户。", name)};
    co_await parts_.database.write([account_id, message, id = new_id(now()), at = now()](db::Tx& tx) {
      notify::raise(tx, id, "account_resting", account_id, message, at);
    });
  } catch (const std::exception& e) {
    log::error("how account {} works could not be told: {}", name, e.what());
  }
}

awaitable<void> Engine::take_out(const UpstreamAccount& account, const providers::Failed& why) {
  log::error("upstream account {} is out: {} ({})", account.account.id, why.code, why.detail);
  std::string reason = why.message.en.empty() ? why.code : why.message.en;
  co_await parts_.database.write([&store = parts_.accounts, id = account.account.id, reason, alert = new_id(now()), at = now()](db::Tx& tx) {
    store.take_out(tx, id, reason, alert, at);
  });
  accounts_read_at_ = 0;
  co_await refresh_accounts();
}

}  // namespace fluxgate::tasks

// Watching: instead of asking again and again, one call stays open from when the end is near until the upstream says
// that it has come. It costs one status call and brings the end at once, however much durations spread. A watch that
// brings nothing (no stream there, a proxy that holds events back) is made good by a plain look, and given up for a
// while when that happens again and again.
#include <boost/asio/bind_cancellation_slot.hpp>

#include "base/log.h"
#include "tasks/engine.h"

namespace fluxgate::tasks {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kWatchesMax = 256;     // connections held at once, half of the client's; the rest is polled
constexpr milliseconds kWatchFor{25'000};    // then it is looked whether the watch sleeps
constexpr milliseconds kSilence{12'000};    // upstreams send something every ten seconds
constexpr int kUselessMax = 3;               // in a row, of an account
constexpr Millis kNoWatchFor = 10 * 60'000;

bool has_ended(const providers::Outcome& outcome) { return !std::holds_alternative<providers::Working>(outcome); }

}  // namespace

Follow Engine::follow_by(const Task& task, const Attempt& attempt, const std::optional<Expected>& expected) const {
  if (task.cancel_requested_at) return Follow::poll;
  if (!options_.public_url.empty()) return Follow::webhook;
  const auto flight = flights_.find(task.id);
  if (flight == flights_.end() || flight->second.no_watch || group_.stopping()) return Follow::poll;
  const auto* speaker = adapter(task.provider);
  const auto* with = account(task.provider, attempt.account_id);
  if (!speaker || !with || !speaker->can_watch(with->account)) return Follow::poll;
  if (auto useless = useless_.find(attempt.account_id); useless != useless_.end() && options_.steady() < useless->second.until)
    return Follow::poll;
  const bool worth = worth_watching(expected, now() - flight->second.sent_at);
  return worth && watching_.size() < kWatchesMax ? Follow::watch : Follow::poll;
}

awaitable<Engine::Spoken> Engine::watch(Task task, Attempt attempt) {
  using providers::Intent;
  auto about = subject(task, attempt);
  auto first = about ? about->speaker->next(Intent::watch, about->job, about->account.account, moment(), "", nullptr)
                     : providers::Outcome(providers::Working{});
  auto* send = std::get_if<providers::Send>(&first);
  if (!send || !send->streams) {
    auto spoken = co_await ask(Intent::poll, task, attempt);
    co_return spoken;
  }

  HttpResponse so_far;
  providers::Outcome heard = providers::Working{};
  net::CallOptions call;
  call.timeout = kWatchFor;
  call.stall_timeout = kSilence;
  call.max_body = send->max_body;
  call.on_head = [&so_far](const HttpResponse& head) {
    so_far = head;
    return true;
  };
  call.sink = [this, &so_far, &heard, &about, &task, &attempt, step = send->step](std::string_view piece) {
    so_far.body += piece;
    heard = about->speaker->next(Intent::watch, about->job, about->account.account, moment(), step, &so_far);
    auto* working = std::get_if<providers::Working>(&heard);
    if (!working) return false;
    report(task, *working);
    if (auto flight = flights_.find(task.id); flight != flights_.end())
      flight->second.unfinished_ms = now() - attempt.sent_at;
    return true;
  };
  const std::string step = send->step;
  auto reply = co_await listen(task.id, std::move(send->request), std::move(call));

  if (has_ended(heard)) {
    watched(attempt.account_id, task.id, !std::holds_alternative<providers::Failed>(heard));
    flights_[task.id].ended_by = Follow::watch;
  } else if (reply) {
    // It answered, and not by telling the end.
    if (reply->body.empty()) reply->body = so_far.body;
    watched(attempt.account_id, task.id, false);
    heard = about->speaker->next(Intent::watch, about->job, about->account.account, moment(), step, &*reply);
  } else if (reply.error().kind == net::Failure::Kind::cancelled) {
    co_return providers::Outcome(providers::Working{});  // somebody wants the task's attention
  } else if (reply.error().kind == net::Failure::Kind::timeout) {
    auto spoken = co_await ask(Intent::poll, task, attempt);
    const auto* outcome = std::get_if<providers::Outcome>(&spoken);
    if (outcome && has_ended(*outcome)) watched(attempt.account_id, task.id, false);  // it slept through the end
    co_return spoken;
  } else {
    watched(attempt.account_id, task.id, false);
    co_return Lost{reply.error()};
  }
  auto spoken = co_await speak(Intent::watch, std::move(about->job), std::move(about->account), std::move(heard),
                               Paid::stop_before);
  co_return spoken;
}

// A call that end_watch() can end.
awaitable<net::Reply> Engine::listen(std::string task_id, HttpRequest request, net::CallOptions call) {
  auto signal = std::make_shared<boost::asio::cancellation_signal>();
  watching_[task_id] = signal;
  net::Reply reply = std::unexpected(net::Failure{net::Failure::Kind::cancelled, net::Failure::Sent::maybe, "cut short"});
  try {
    reply = co_await boost::asio::co_spawn(group_.executor(), parts_.client.call(std::move(request), std::move(call)),
                                           boost::asio::bind_cancellation_slot(signal->slot(), use_awaitable));
  } catch (const boost::system::system_error& e) {
    if (e.code() != boost::asio::error::operation_aborted) log::error("task {}: {}", task_id, e.what());
  }
  watching_.erase(task_id);
  co_return reply;
}

void Engine::end_watch(const std::string& task_id) {
  auto found = watching_.find(task_id);
  if (found == watching_.end()) return;
  const auto signal = found->second;  // its owner erases the entry when it wakes
  signal->emit(boost::asio::cancellation_type::terminal);
}

void Engine::watched(const std::string& account_id, const std::string& task_id, bool useful) {
  Useless& useless = useless_[account_id];
  if (useful) {
    useless = {};
    return;
  }
  if (auto flight = flights_.find(task_id); flight != flights_.end()) flight->second.no_watch = true;
  if (++useless.in_a_row < kUselessMax) return;
  useless = {0, options_.steady() + kNoWatchFor};
  log::warn("upstream account {} tells nothing on calls that stay open; its tasks are polled for a while", account_id);
}

}  // namespace fluxgate::tasks

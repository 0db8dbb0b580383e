#include "upstream.h"

#include <sstream>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

namespace fluxgate::simulation {

using providers::Decision;
using providers::Intent;

awaitable<net::Reply> SimUpstream::call(std::string node, HttpRequest request, net::CallOptions options) {
  Millis latency = 20 + static_cast<Millis>(random_() % 200);
  if (chance(weather_.stall)) latency += 60'000;
  net::Reply reply = std::unexpected(net::Failure{net::Failure::Kind::closed, net::Failure::Sent::maybe, "dead"});
  if (!dead_.contains(node)) reply = answer(node, request);
  auto executor = co_await boost::asio::this_coro::executor;
  co_await boost::asio::async_initiate<decltype(use_awaitable), void()>(
      [&](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        pending_.emplace(clock_.steady_ms() + latency, Pending{node, [shared, executor] {
          boost::asio::post(executor, [shared] { std::move (*shared)(); });
        }});
      },
      use_awaitable);
  if (reply && reply->status == 200 && options.sink && !options.sink(reply->body))
    co_return std::unexpected(net::Failure{net::Failure::Kind::sink, net::Failure::Sent::maybe, "sink"});
  co_return reply;
}

void SimUpstream::deliver_due() {
  while (!pending_.empty() && pending_.begin()->first <= clock_.steady_ms()) {
    auto resume = std::move(pending_.begin()->second.resume);
    pending_.erase(pending_.begin());
    resume();
  }
}

std::vector<HookCall> SimUpstream::hooks_due() {
  std::vector<HookCall> due;
  while (!hooks_.empty() && hooks_.begin()->first <= clock_.steady_ms()) {
    due.push_back(std::move(hooks_.begin()->second));
    hooks_.erase(hooks_.begin());
  }
  return due;
}

void SimUpstream::drop_calls(const std::string& node) {
  std::erase_if(pending_, [&](const auto& call) { return call.second.node == node; });
}

namespace {
// "done job7 2", with the number of its images, or "failed job7".
std::string end_of(const std::string& id, const UpstreamJob& job) {
  return job.fails ? "failed " + id : fmt::format("done {} {}", id, job.images);
}
}  // namespace

// "http://us/hooks/{attempt}/{mac}"
void SimUpstream::plan_hooks(const std::string& id, const UpstreamJob& job, const std::string& url) {
  const auto mac = url.rfind('/'), attempt = url.rfind('/', mac - 1);
  HookCall call{url.substr(attempt + 1, mac - attempt - 1), url.substr(mac + 1), end_of(id, job), "good"};
  if (chance(weather_.forged)) {
    HookCall forged = call;
    if (chance(50)) forged.mac = "0000";
    else forged.signature = "bad", forged.body = "done job999 1";
    hooks_.emplace(clock_.steady_ms() + static_cast<Millis>(random_() % 5'000), forged);
  }
  if (chance(weather_.no_hook)) return;
  Millis at = job.finishes_at;
  if (chance(weather_.early_hook)) {  // done at once, and told before the submit is answered
    at = clock_.steady_ms();
    if (!job.fails) done_at_[id] = at;
  }
  if (chance(weather_.late_hook)) at += 30'000;
  hooks_.emplace(at, call);
  if (chance(weather_.twice)) hooks_.emplace(at + static_cast<Millis>(random_() % 3'000), call);
}

// The body: prompt, number of images, and the webhook's address where there is one, a line each.
net::Reply SimUpstream::submit(const std::string& node, const HttpRequest& request) {
  using Sent = net::Failure::Sent;
  using Kind = net::Failure::Kind;
  const auto line = request.body.find('\n'), hook = request.body.find('\n', line + 1);
  const std::string task = request.body.substr(0, line);
  on_paid(node, task);
  const std::string host = request.url.substr(7, request.url.find('/', 7) - 7);
  if (is_shut()) {
    judge_rest(node, host);
    return HttpResponse{503, {}, "busy"};
  }
  if (locked.contains(host)) return HttpResponse{402, {}, "no balance"};
  if (chance(weather_.no_connection)) return std::unexpected(net::Failure{Kind::connect, Sent::no, "refused"});
  if (chance(weather_.refuse)) return HttpResponse{503, {}, "busy"};
  if (chance(weather_.lost_before)) return std::unexpected(net::Failure{Kind::closed, Sent::maybe, "reset"});
  std::string id = fmt::format("job{}", next_job_++);
  UpstreamJob job;
  job.task = task;
  job.images = std::stoi(request.body.substr(line + 1));
  job.finishes_at = clock_.steady_ms() + 500 + static_cast<Millis>(random_() % 20'000);
  job.fails = chance(weather_.fail_job);
  if (chance(weather_.early_hook)) job.finishes_at = clock_.steady_ms();
  ++accepted_per_task[task];
  jobs[id] = job;
  if (!job.fails) done_at_[id] = job.finishes_at;
  if (hook != std::string::npos) plan_hooks(id, job, request.body.substr(hook + 1));
  if (chance(weather_.lost_after)) return std::unexpected(net::Failure{Kind::closed, Sent::maybe, "reset"});
  return HttpResponse{200, {}, id};
}

void SimUpstream::shut(Millis until) { outage_ = {clock_.steady_ms(), until, 0, {}}; }

// A node that is refused again and again tries less and less often. What was on its way when it began, what makes it
// rest, and a try after each rest (5 s, 10 s, 20 s …) may come; the same again when something stirred them.
void SimUpstream::judge_rest(const std::string& node, const std::string& host) {
  constexpr int kOnTheWay = 4 + 5 + 4, kTries = 7;
  if (++outage_.posts[node + " " + host] > (kOnTheWay + kTries) * (1 + outage_.stirs))
    unearned = fmt::format("an account that refuses everything is let rest: {} sent {} to {} in {} s", node, outage_.posts[node + " " + host],
                           host, (clock_.steady_ms() - outage_.since) / 1000);
}

net::Reply SimUpstream::answer(const std::string& node, const HttpRequest& request) {
  std::string path = request.url.substr(request.url.find('/', std::string("http://").size()));
  if (request.method == "POST") return submit(node, request);
  if (path.starts_with("/file/")) {
    const auto done = done_at_.find(path.substr(6, path.rfind('/') - 6));
    if (done == done_at_.end() || clock_.steady_ms() < done->second)
      unearned = "nothing is taken for a result before the upstream has finished it: " + path;
    // What is gone stays gone: a picture's number decides.
    const auto number = static_cast<int>(std::hash<std::string>{}(path) % 100);
    if (number < weather_.gone_download || chance(weather_.bad_download)) return HttpResponse{404, {}, ""};
    return HttpResponse{200, {}, "picture " + path};
  }
  if (chance(weather_.status_error)) return HttpResponse{500, {}, ""};
  auto job = jobs.find(path.substr(path.rfind('/') + 1));
  if (job == jobs.end()) return HttpResponse{404, {}, ""};
  if (chance(weather_.forget)) jobs.erase(job);
  else if (request.method == "PUT") job->second.cancelled = clock_.steady_ms() < job->second.finishes_at;
  else if (job->second.cancelled) return HttpResponse{200, {}, "cancelled"};
  else if (clock_.steady_ms() < job->second.finishes_at) return HttpResponse{200, {}, "working"};
  else return HttpResponse{200, {}, end_of(job->first, job->second)};
  return HttpResponse{202, {}, ""};
}

// ---- its adapter ----

namespace {
providers::Outcome finished(const std::string& words) {
  providers::Failed failed;
  std::istringstream stream(words);
  std::string end, id;
  int images = 0;
  stream >> end >> id >> images;
  if (end == "failed") return failed.decision = Decision::fail, failed.code = "model", failed;
  providers::Done done;
  for (int i = 0; i < images; ++i) done.outputs.push_back({.url = fmt::format("http://sim/file/{}/{}", id, i)});
  return done;
}
}  // namespace

providers::Outcome SimAdapter::next(Intent intent, const providers::Job& job, const providers::Account& account,
                                    const Moment&, std::string_view, const HttpResponse* response) const {
  std::string reference = job.reference.contains("id") ? std::string(job.reference.at("id").as_string()) : "";
  if (!response) {
    providers::Send send;
    send.paid = intent == Intent::submit;
    send.request.method = intent == Intent::submit ? "POST" : intent == Intent::cancel ? "PUT" : "GET";
    send.request.url = account.base_url + "/jobs/" + reference;
    if (intent == Intent::submit)
      send.request.body = fmt::format("{}\n{}", job.body.at("task").as_string().c_str(), job.body.at("images").as_int64());
    if (intent == Intent::submit && !job.webhook_url.empty()) send.request.body += "\n" + job.webhook_url;
    return send;
  }
  providers::Failed failed;
  if (response->status == 402) return failed.decision = Decision::account, failed.took = providers::Took::no, failed;
  if (response->status == 503) return failed.decision = Decision::retry, failed.took = providers::Took::no, failed;
  if (response->status >= 500) return failed.decision = Decision::retry, failed;
  if (response->status == 404) return failed.decision = Decision::lost, failed;
  if (intent == Intent::submit) return providers::Accepted{{{"id", response->body}}, 0};
  if (intent == Intent::cancel) return providers::Accepted{};
  if (response->body == "working" || response->status == 202) return providers::Working{true, std::nullopt, std::nullopt};
  if (response->body == "cancelled") return failed.decision = Decision::cancelled, failed;
  return finished(response->body);
}

providers::WebhookVerdict SimAdapter::on_webhook(const HeaderList& headers, std::string_view body, const providers::Job& job,
                                                 const providers::Account&, Millis, std::span<const std::string>) const {
  const bool good = std::ranges::any_of(headers, [](const auto& header) { return header.second == "good"; });
  const auto from = body.find(' ') + 1;
  const std::string id(body.substr(from, body.find(' ', from) - from));
  const bool ours = !job.reference.contains("id") || job.reference.at("id").as_string() == id;
  return {good && ours, finished(std::string(body))};
}

}  // namespace fluxgate::simulation

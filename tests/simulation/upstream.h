// A network and an upstream that misbehave by a seed, on the simulation's clock; the protocol between them as an
// adapter. One thread for each.
#pragma once

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "clock.h"
#include "net/http_client.h"
#include "providers/adapter.h"

namespace fluxgate::simulation {

// How often each thing goes wrong, in percent.
struct Weather {
  int refuse = 0;            // submit answered 503: nothing accepted
  int no_connection = 0;     // nothing sent
  int lost_before = 0;       // sent, not accepted, no answer
  int lost_after = 0;        // accepted, no answer
  int status_error = 0;      // a status or result call fails
  int forget = 0;            // the upstream loses an accepted job
  int fail_job = 0;          // the model fails
  int bad_download = 0;      // a result cannot be fetched, once …
  int gone_download = 0;     // … or ever
  int commit_failure = 0;
  int untold = 0;            // a commit is done and told to have failed
  int cancel = 0;            // the user cancels, per step
  int crash = 0;             // per mille, per step
  int stall = 0;             // a call takes a minute
  int freeze = 0;            // per mille, per step: a node stands still for longer than its lease; besides, …
  int balk = 0;              // … in percent, with a paid request in its hand; …
  int restored = 0;          // … and in percent of them all, the clock is put back when it goes on
  int outage = 0;            // per mille, per step: the upstream takes nothing from anybody for minutes
  int saboteur = 0;          // a closure writes nonsense and throws, among the others
  int clock = 0;             // per mille, per step: the clock is put forward or back
  int lock_account = 0;      // per mille, per step: an account's key or balance is refused from now on
  int impatience = 0;        // clients repeat what they sent, per step
  int no_hook = 0;           // a webhook never comes; else it may be …
  int late_hook = 0, twice = 0, forged = 0, early_hook = 0;
};

// The upstream's own truth.
struct UpstreamJob {
  Millis finishes_at = 0;
  bool fails = false;
  bool cancelled = false;
  std::string task;   // its prompt
  int images = 1;
};

// A call of the upstream to /hooks/….
struct HookCall {
  std::string attempt, mac, body, signature;
};

// The one upstream of all nodes. Answers calls after a while of simulated time.
class SimUpstream {
 public:
  SimUpstream(SimClock& clock, std::mt19937_64& random, const Weather& weather)
      : clock_(clock), random_(random), weather_(weather) {}

  awaitable<net::Reply> call(std::string node, HttpRequest request, net::CallOptions options);
  // Ends the calls whose time has come.
  void deliver_due();
  // The webhooks whose time has come.
  std::vector<HookCall> hooks_due();
  // The process died: its calls reach nobody from now on, …
  void bury(const std::string& node) { dead_.insert(node); }
  // … and nobody waits for the answers any more.
  void drop_calls(const std::string& node);

  std::map<std::string, UpstreamJob> jobs;
  std::map<std::string, int> accepted_per_task;
  std::set<std::string> locked;  // accounts, by host
  // From now on until then everything is refused.
  void shut(Millis until);
  bool is_shut() const { return clock_.steady_ms() < outage_.until; }
  // Something happened that lets resting accounts be tried anew.
  void stir() { ++outage_.stirs; }
  std::string unearned;  // a result that was fetched before there was one; a rest that was not kept
  // Asked for every paid request as it comes in.
  std::function<void(const std::string& node, const std::string& task)> on_paid;

 private:
  struct Pending {
    std::string node;
    std::function<void()> resume;
  };
  net::Reply answer(const std::string& node, const HttpRequest& request);
  net::Reply submit(const std::string& node, const HttpRequest& request);
  void plan_hooks(const std::string& id, const UpstreamJob& job, const std::string& url);
  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  SimClock& clock_;
  std::mt19937_64& random_;
  const Weather& weather_;
  std::set<std::string> dead_;
  std::multimap<Millis, Pending> pending_;
  std::multimap<Millis, HookCall> hooks_;
  // By node and host, what came in while it was shut.
  struct Outage {
    Millis since = 0, until = 0;
    int stirs = 0;
    std::map<std::string, int> posts;
  } outage_;
  void judge_rest(const std::string& node, const std::string& host);
  std::map<std::string, Millis> done_at_;  // by job, of those that succeed
  int next_job_ = 0;
};

// One node's way to it.
class SimLine final : public net::HttpClient {
 public:
  SimLine(SimUpstream& upstream, std::string node) : upstream_(upstream), node_(std::move(node)) {}
  awaitable<net::Reply> call(HttpRequest request, net::CallOptions options) override {
    auto reply = co_await upstream_.call(node_, std::move(request), std::move(options));
    co_return reply;
  }

 private:
  SimUpstream& upstream_;
  const std::string node_;
};

// The protocol of SimUpstream, as an adapter.
class SimAdapter final : public providers::Adapter {
 public:
  std::string_view provider() const override { return "flux"; }
  providers::Outcome next(providers::Intent intent, const providers::Job& job, const providers::Account& account,
                          const Moment& moment, std::string_view step, const HttpResponse* response) const override;
  providers::WebhookVerdict on_webhook(const HeaderList& headers, std::string_view body, const providers::Job& job,
                                       const providers::Account&, Millis, std::span<const std::string>) const override;
};

}  // namespace fluxgate::simulation

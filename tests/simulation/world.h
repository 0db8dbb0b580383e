// A small world for the engine: its own time, a database that runs closures at once, a network and an
// upstream that misbehave by a seed. Everything runs on one thread, so a seed replays exactly.
#pragma once

#include <map>
#include <queue>
#include <random>
#include <set>

#include "catalogue/holder.h"
#include "credits/ledger.h"
#include "db/schema.h"
#include "db/sqlite_connection.h"
#include "files/files.h"
#include "net/http_client.h"
#include "providers/adapter.h"

namespace fluxgate::simulation {

class SimClock final : public Clock {
 public:
  Millis now_ms() const override { return now_; }
  void advance(Millis by) { now_ += by; }

 private:
  Millis now_ = 1'800'000'000'000;
};

// Runs every closure in a transaction of its own, on the caller's thread. `fail_commit` makes commits
// fail, as a full disk does.
class SimDatabase final : public db::Database {
 public:
  SimDatabase() : connection_(":memory:", db::SqliteConnection::Mode::read_write) {}
  db::Dialect dialect() const override { return db::Dialect::sqlite; }
  void stop() override {}
  std::function<bool()> fail_commit = [] { return false; };
  std::int64_t commits = 0;

 protected:
  void enqueue_write(std::shared_ptr<db::Job> job) override;
  void enqueue_read(std::shared_ptr<db::Job> job) override { enqueue_write(std::move(job)); }
  bool reads_inline() const override { return true; }
  void run_read(const std::function<void(db::Tx&)>& closure) override { closure(connection_); }

 private:
  db::SqliteConnection connection_;
};

// How often each thing goes wrong, in percent.
struct Weather {
  int refuse = 0;            // submit answered 503: nothing accepted
  int no_connection = 0;     // nothing sent
  int lost_before = 0;       // sent, not accepted, no answer
  int lost_after = 0;        // accepted, no answer
  int status_error = 0;      // a status or result call fails
  int forget = 0;            // the upstream loses an accepted job
  int fail_job = 0;          // the model fails
  int bad_download = 0;
  int commit_failure = 0;
  int cancel = 0;            // the user cancels, per step
  int crash = 0;             // per mille, per step
  int stall = 0;             // a call takes a minute
};

// The upstream's own truth.
struct UpstreamJob {
  Millis finishes_at = 0;
  bool fails = false;
  bool cancelled = false;
  std::string task_id;
};

// Network and upstream in one: answers calls after a while of simulated time.
class SimUpstream final : public net::HttpClient {
 public:
  SimUpstream(SimClock& clock, std::mt19937_64& random, const Weather& weather)
      : clock_(clock), random_(random), weather_(weather) {}

  awaitable<net::Reply> call(HttpRequest request, net::CallOptions options) override;
  // Ends the calls whose time has come.
  void deliver_due();
  Millis next_due() const { return pending_.empty() ? 0 : pending_.begin()->first; }
  // The process died: nobody waits for the answers any more.
  void drop_calls() { pending_.clear(); }

  std::map<std::string, UpstreamJob> jobs;
  std::map<std::string, int> accepted_per_task;

 private:
  net::Reply answer(const HttpRequest& request);
  net::Reply submit(const HttpRequest& request);
  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  SimClock& clock_;
  std::mt19937_64& random_;
  const Weather& weather_;
  std::multimap<Millis, std::function<void()>> pending_;
  int next_job_ = 0;
};

// The protocol of SimUpstream, as an adapter.
class SimAdapter final : public providers::Adapter {
 public:
  std::string_view provider() const override { return "flux"; }
  providers::Outcome next(providers::Intent intent, const providers::Job& job, const providers::Account& account,
                          const Moment& moment, std::string_view step, const HttpResponse* response) const override;
  providers::WebhookVerdict on_webhook(const HeaderList&, std::string_view, const providers::Job&,
                                       const providers::Account&, Millis,
                                       std::span<const std::string>) const override {
    return {};
  }
};

// One model at five credits an image.
std::shared_ptr<const catalogue::Catalogue> sim_catalogue();

// Files that vanish with the test.
std::unique_ptr<files::Files> sim_files();

}  // namespace fluxgate::simulation

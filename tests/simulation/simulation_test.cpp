// The real engine, ledger and SQL through seeded bad weather. After every step the books must balance; in
// the end every accepted task has ended, nothing is held, and nobody paid twice.
// FLUXGATE_SIM_SEED replays one seed; FLUXGATE_SIM_RUNS sets how many run.
#include <cstdlib>

#include <gtest/gtest.h>

#include "base/log.h"
#include "tasks/service.h"
#include "world.h"

namespace fluxgate::simulation {
namespace {

constexpr int kTasks = 25;
constexpr int kUsers = 3;
constexpr Millis kHorizon = 4ll * 3600 * 1000;  // of simulated time

class Voyage {
 public:
  explicit Voyage(std::uint64_t seed)
      : random_(seed), holder_(sim_catalogue()), files_(sim_files()), upstream_(clock_, random_, weather_) {
    draw_weather();
    database_.write_now([this](db::Tx& tx) {
      db::create_missing(tx, clock_.now_ms());
      for (int i = 0; i < kUsers; ++i)
        credits::open_account(tx, user(i), Credits::whole(60), credits::make_stamp(clock_.now_ms()));
      tasks::UpstreamAccount account;
      account.account = {"a", "flux", "http://sim", "k", {}};
      account.max_concurrent = 8;
      accounts_.set_default(account);
    });
    database_.fail_commit = [this] { return chance(weather_.commit_failure); };
    live();
  }

  ~Voyage() { die(); }

  void play() {
    for (int step = 0; step < 4'000 && !::testing::Test::HasFatalFailure(); ++step) {
      if (submitted_ < kTasks && random_() % 3 == 0) submit();
      if (chance(weather_.cancel)) cancel_one();
      if (static_cast<int>(random_() % 1000) < weather_.crash) {
        die();
        live();
      }
      turn();
      if (step % 16 == 0) check_books();
      if (submitted_ >= kTasks && live_tasks() == 0) break;
      if (clock_.now_ms() - began_ > kHorizon / 2) calm();
      ASSERT_LT(clock_.now_ms() - began_, kHorizon) << "tasks are stuck: " << stuck();
    }
    check_books();
    check_end();
  }

 private:
  static std::string user(int i) { return "user" + std::to_string(i); }
  bool chance(int percent) { return percent > 0 && static_cast<int>(random_() % 100) < percent; }

  void draw_weather() {
    auto up_to = [this](int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit + 1)); };
    weather_ = {up_to(30), up_to(20), up_to(10), up_to(15), up_to(20), up_to(2), up_to(15), up_to(25), 0, up_to(3), up_to(20), up_to(3)};
    if (random_() % 4 == 0) weather_.commit_failure = up_to(10);
  }
  // Storms pass: whatever is left must come to its end.
  void calm() { weather_ = {}; }

  void live() {
    context_ = std::make_unique<boost::asio::io_context>();
    tasks::EngineOptions options;
    options.node_id = "node" + std::to_string(++lives_);
    options.hook_secret = "secret";
    engine_ = std::make_unique<tasks::Engine>(
        context_->get_executor(),
        tasks::EngineParts{database_, *files_, upstream_, hub_, holder_, accounts_, health_, progress_, clock_, {&adapter_}}, options);
    service_ = tasks::make_tasks({database_, *files_, hub_, holder_, accounts_, progress_, clock_, *engine_, waiting_, draining_, {}});
    engine_->start();
  }

  // As kill -9 does: coroutines vanish where they stand, nothing is written.
  void die() {
    upstream_.drop_calls();
    service_.reset();
    engine_.reset();
    context_.reset();
  }

  void turn() {
    settle();
    Millis jump = 50 + static_cast<Millis>(random_() % 400);
    if (random_() % 50 == 0) jump += 30'000;  // the machine slept
    clock_.advance(jump);
    upstream_.deliver_due();
    engine_->nudge();
    settle();
  }
  void settle() {
    context_->restart();
    while (context_->poll() != 0) {
    }
  }

  void submit() {
    tasks::SubmitRequest request;
    request.user_id = user(static_cast<int>(random_() % kUsers));
    request.provider = "flux";
    request.endpoint = "text_to_image";
    std::string key = "key" + std::to_string(submitted_++);
    request.body = {{"model", "m"}, {"prompt", key}};
    request.idempotency_key = key;
    request.body_sha256 = "x";
    int copies = random_() % 5 == 0 ? 2 : 1;  // an impatient client
    for (int i = 0; i < copies; ++i)
      boost::asio::co_spawn(*context_, service_->submit(request),
                            [this, key](std::exception_ptr error, Result<tasks::Submitted> answer) {
                              if (error || !answer) return;
                              auto [known, fresh] = answered_.emplace(key, answer->task_id);
                              EXPECT_EQ(known->second, answer->task_id) << "one key made two tasks";
                            });
  }

  void cancel_one() {
    if (answered_.empty()) return;
    auto it = answered_.begin();
    std::advance(it, static_cast<long>(random_() % answered_.size()));
    boost::asio::co_spawn(*context_, service_->cancel(it->second, ""), [](std::exception_ptr, Result<tasks::TaskView>) {});
  }

  std::int64_t live_tasks() {
    return database_.read_now([](db::Tx& tx) {
      return tx.number("SELECT COUNT(*) FROM fg_task WHERE status NOT IN ('succeeded', 'failed', 'cancelled')");
    });
  }
  std::string stuck() {
    return database_.read_now([](db::Tx& tx) {
      std::string list;
      tx.each("SELECT id, status, owner FROM fg_task WHERE status NOT IN ('succeeded', 'failed', 'cancelled')", {},
              [&](const db::Row& row) { list += row.str(0) + " " + row.str(1) + " " + row.str(2) + "; "; });
      return list;
    });
  }
  void check_books() {
    auto findings = database_.read_now([](db::Tx& tx) { return credits::audit(tx); });
    ASSERT_TRUE(findings.empty()) << findings.front();
  }
  void check_end() {
    database_.read_now([this](db::Tx& tx) {
      EXPECT_EQ(tx.number("SELECT COALESCE(SUM(held), 0) FROM fg_credit_account"), 0) << "something is still held";
      for (auto& [key, id] : answered_)
        EXPECT_EQ(tx.number("SELECT COUNT(*) FROM fg_task WHERE id = $1", {id}), 1) << "an answered task is gone";
      EXPECT_EQ(tx.number("SELECT COUNT(*) FROM (SELECT prompt FROM fg_task GROUP BY prompt HAVING COUNT(*) > 1) d"), 0)
          << "one idempotency key made two tasks";
      EXPECT_EQ(tx.number("SELECT COUNT(*) FROM fg_task WHERE status = 'succeeded' AND charged <> quote"), 0);
      EXPECT_EQ(tx.number("SELECT COUNT(*) FROM fg_task WHERE status <> 'succeeded' AND charged <> 0"), 0);
    });
    // Bought twice only by the policy's one resubmit, or again after a loss that it decided on.
    for (auto& [task, times] : upstream_.accepted_per_task) EXPECT_LE(times, 2) << task;
  }

  std::mt19937_64 random_;
  Weather weather_;
  SimClock clock_;
  Millis began_ = clock_.now_ms();
  SimDatabase database_;
  catalogue::Holder holder_;
  std::unique_ptr<files::Files> files_;
  SimUpstream upstream_;
  SimAdapter adapter_;
  notify::Hub hub_;
  tasks::ProgressBoard progress_;
  tasks::AccountHealth health_;
  crypto::Sealer sealer_{std::string(32, 'k')};
  tasks::AccountStore accounts_{sealer_};
  tasks::Waiting waiting_{accounts_, clock_};
  std::atomic<bool> draining_{false};
  std::unique_ptr<boost::asio::io_context> context_;
  std::unique_ptr<tasks::Engine> engine_;
  std::unique_ptr<tasks::Tasks> service_;
  std::map<std::string, std::string> answered_;
  int submitted_ = 0;
  int lives_ = 0;
};

TEST(Simulation, KeepsEveryPromiseInEveryWeather) {
  crypto::initialise();
  log::configure(log::Level::off, log::Format::text);
  std::uint64_t first = 1, runs = 150;
  if (const char* count = std::getenv("FLUXGATE_SIM_RUNS")) runs = std::strtoull(count, nullptr, 10);
  if (const char* seed = std::getenv("FLUXGATE_SIM_SEED")) first = std::strtoull(seed, nullptr, 10), runs = 1;
  for (std::uint64_t seed = first; seed < first + runs; ++seed) {
    SCOPED_TRACE("replay with FLUXGATE_SIM_SEED=" + std::to_string(seed));
    Voyage(seed).play();
    if (::testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace fluxgate::simulation

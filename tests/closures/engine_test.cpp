// The engine's own closures. It works as it does in a server, on the simulation's clock and against the simulation's
// upstream: once while each of its lines fails at every statement in turn, and once as sixty-four nodes on one database.
#include <barrier>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "../simulation/product.h"
#include "../simulation/upstream.h"
#include "base/ids.h"
#include "house.h"

namespace fluxgate::closures {
namespace {

using simulation::Weather;
using std::chrono::milliseconds;

// Some tasks are refused before anything is sent, as an upload of an input can be.
class Hesitant final : public providers::Adapter {
 public:
  std::string_view provider() const override { return sim_.provider(); }
  providers::Outcome next(providers::Intent intent, const providers::Job& job, const providers::Account& account, const Moment& moment,
                          std::string_view step, const HttpResponse* response) const override {
    if (!response && intent == providers::Intent::submit && job.body.at("task") == "not yet" && refusals_++ % 3 != 2)
      return providers::Failed{.decision = providers::Decision::retry, .took = providers::Took::no, .code = "upstream_busy"};
    return sim_.next(intent, job, account, moment, step, response);
  }
  providers::WebhookVerdict on_webhook(const HeaderList&, std::string_view, const providers::Job&, const providers::Account&, Millis,
                                       std::span<const std::string>) const override {
    return {};
  }

 private:
  simulation::SimAdapter sim_;
  mutable std::atomic<int> refusals_ = 0;
};

// What all nodes share.
struct Common {
  House& house;
  tasks::AccountStore accounts{house.sealer};
  catalogue::Holder catalogue{simulation::sim_catalogue()};
  Result<void> disk{};  // what it says of a write
  std::unique_ptr<files::Files> files = simulation::sim_files([this] { return disk; });
  Hesitant adapter;
};

// One node: its engine, its tasks service and an upstream of its own, on the thread that turns it.
class Node {
 public:
  Node(Common& common, const std::string& id)
      : id_(id), clock_(common.house.clock), line_(upstream, id), waiting_(common.accounts, common.house.clock) {
    upstream.on_paid = [](const std::string&, const std::string&) {};
    House& house = common.house;
    engine_ = std::make_unique<tasks::Engine>(
        io_.get_executor(),
        tasks::EngineParts{house.database, *common.files, line_, hub_, common.catalogue, common.accounts, health_, progress_, house.clock, {&common.adapter}},
        tasks::EngineOptions{.node_id = id, .hook_secret = std::string(32, 'h'), .steady = [&clock = house.clock] { return clock.steady_ms(); }});
    tasks_ = tasks::make_tasks({house.database, *common.files, hub_, common.catalogue, common.accounts, progress_, house.clock, *engine_, waiting_, draining_, {}});
    engine_->start();
  }
  ~Node() { upstream.drop_calls(id_); }

  // All that can go on does.
  void turn() {
    upstream.deliver_due();
    engine_->nudge();
    io_.restart();
    io_.poll();
  }
  void submit(const std::string& user, const std::string& prompt) {
    tasks::SubmitRequest request{.user_id = user, .provider = "flux", .endpoint = "text_to_image", .body = {{"model", "m"}, {"prompt", prompt}}};
    boost::asio::io_context io;  // the engine hears of it when it is turned
    auto answer = boost::asio::co_spawn(io, tasks_->submit(request), boost::asio::use_future);
    io.run();
    EXPECT_TRUE(answer.get());
  }
  // Until the node has said goodbye, which may fail.
  void stop() {
    for (int tries = 0; tries < 20; ++tries) {
      auto gone = boost::asio::co_spawn(io_, engine_->stop(milliseconds(60'000)), boost::asio::use_future);
      while (gone.wait_for(milliseconds(0)) != std::future_status::ready) {
        clock_.advance(1'000);
        upstream.deliver_due();
        io_.restart();
        io_.run_one_for(milliseconds(20));
      }
      try {
        return gone.get();
      } catch (const db::Failure&) {
      }
    }
  }

 private:
  const std::string id_;
  simulation::SimClock& clock_;
  boost::asio::io_context io_;
  std::mt19937_64 random_{std::hash<std::string>{}(id_)};

 public:
  Weather weather;
  simulation::SimUpstream upstream{clock_, random_, weather};

 private:
  simulation::SimLine line_;
  notify::Hub hub_;
  tasks::ProgressBoard progress_;
  tasks::AccountHealth health_;
  tasks::Waiting waiting_;
  const std::atomic<bool> draining_ = false;
  std::unique_ptr<tasks::Engine> engine_;
  std::unique_ptr<tasks::Tasks> tasks_;
};

class EngineAtWork : public testing::TestWithParam<db::Dialect> {
 protected:
  EngineAtWork() {
    house.write([&](db::Tx& tx) { common.accounts.save_settings(tx, "flux", {.enabled = true}, house.clock.now_ms()); });
    save_accounts(true);
  }
  void TearDown() override {
    EXPECT_EQ(house.database.left(), "") << "left of closures that failed";
    EXPECT_EQ(house.audit(), "");
    EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_node"), 0) << "they have said goodbye";
  }

  void save_accounts(bool enabled) {
    for (const char* id : {"main", "second"}) {
      tasks::UpstreamAccount account;
      account.account = {id, "flux", std::string("http://") + id, "key", {}};
      account.max_concurrent = 50;
      account.enabled = enabled;
      house.write([&](db::Tx& tx) { common.accounts.save(tx, account, house.clock.now_ms()); });
    }
  }
  bool is(std::string_view sql) { return house.number(sql) != 0; }
  bool all_ended() { return !is("SELECT COUNT(*) FROM fg_task WHERE status NOT IN ('succeeded', 'failed', 'cancelled')"); }

  House house{GetParam()};
  Common common{house};
  const std::string user = house.sign_up("ann@example.org").id;
};

class EngineFails : public EngineAtWork {
 protected:
  Failing failing = Failing::in_turn;

  // Tasks come as long as it takes until then; nothing fails while they are submitted.
  void work_until(Node& node, const std::vector<std::string>& prompts, Millis pace, const std::function<bool()>& come) {
    for (int turn = 0; !come(); ++turn) {
      ASSERT_LT(turn, 2'000);
      if (all_ended()) submit(node, prompts);
      house.clock.advance(pace);
      node.turn();
    }
  }
  void submit(Node& node, const std::vector<std::string>& prompts) {
    house.database.let_fail(Failing::not_at_all);
    for (const std::string& prompt : prompts) node.submit(user, prompt);
    house.database.let_fail(failing);
  }
  void save_quietly(bool enabled) {
    house.database.let_fail(Failing::not_at_all);
    save_accounts(enabled);
    house.database.let_fail(failing);
  }

  // All that the engine has a closure for.
  void a_year(Node& node) {
    const auto ended = [&] { return all_ended(); };
    const std::vector<std::string> pictures(6, "a boat");
    save_quietly(true);
    node.weather = {.no_connection = 10, .lost_before = 5, .lost_after = 10, .status_error = 10, .bad_download = 50};
    submit(node, pictures);
    submit(node, {"not yet"});
    work_until(node, {}, 1'000, ended);
    // An account that refuses everything rests, which is told; and that it works again.
    node.weather = {.refuse = 100};
    work_until(node, pictures, 5'000, [&] { return is("SELECT COUNT(*) FROM fg_alert WHERE kind = 'account_resting' AND resolved_at IS NULL"); });
    node.weather = {};
    work_until(node, pictures, 5'000, [&] { return all_ended() && !is("SELECT COUNT(*) FROM fg_alert WHERE kind = 'account_resting' AND resolved_at IS NULL"); });
    // One without a balance is taken out.
    node.upstream.locked = {"main"};
    work_until(node, pictures, 1'000, [&] { return is("SELECT COUNT(*) FROM fg_upstream_account WHERE out_since IS NOT NULL"); });
    node.upstream.locked.clear();
    work_until(node, {}, 1'000, ended);
    // Claimed when there was no account, and then there is one.
    save_quietly(false);
    for (int i = 0; i < 3; ++i) house.clock.advance(5'000), node.turn();
    save_quietly(true);
    submit(node, {"a boat"});
    node.turn();
    work_until(node, {}, 1'000, ended);
  }
  // Until nothing fails any more.
  void work_for_years() {
    Node node(common, "node");
    for (int before = -1, years = 0; house.database.failed_so() != before; ++years) {
      ASSERT_LT(years, 40) << "something fails for ever";
      before = house.database.failed_so();
      ASSERT_NO_FATAL_FAILURE(a_year(node));
    }
    node.stop();
    house.database.let_fail(Failing::not_at_all);
    EXPECT_TRUE(is("SELECT COUNT(*) FROM fg_task WHERE status = 'succeeded'"));
  }
};

TEST_P(EngineFails, AtEveryStatementAndGoesOn) { work_for_years(); }

// A task that was claimed by a COMMIT which nobody heard of belongs to a node that does not know it.
TEST_P(EngineFails, ToHearOfItsCommitsAndGoesOn) {
  failing = Failing::untold;
  work_for_years();
}

using EngineWaits = EngineAtWork;

// A result that there is no room for is no result that is lost, however long that lasts.
TEST_P(EngineWaits, ForADiskThatIsFullOrBroken) {
  Node node(common, "node");
  for (const char* code : {"storage_full", "storage_failed"}) {
    common.disk = fail(Errc::unavailable, code, {"no room", "没有空间"});
    for (int i = 0; i < 3; ++i) node.submit(user, "a boat");
    for (const Millis from = house.clock.now_ms(); house.clock.now_ms() - from < 3'600'000;) {
      house.clock.advance(30'000);
      node.turn();
    }
    EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE status = 'storing'"), 3) << code;
    common.disk = {};
    for (int turn = 0; turn < 10 && !all_ended(); ++turn) {
      house.clock.advance(5'000);
      node.turn();
    }
    EXPECT_TRUE(all_ended());
  }
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE status = 'succeeded'"), 6);
  node.stop();
}

using EngineSideBySide = EngineAtWork;

TEST_P(EngineSideBySide, SixtyFourNodesDoTheWorkOnce) {
  std::vector<std::unique_ptr<Node>> nodes;
  for (int i = 0; i < kSideBySide; ++i) nodes.push_back(std::make_unique<Node>(common, fmt::format("node{}", i)));
  const auto everywhere = [&](const Weather& weather, const std::set<std::string>& locked = {}) {
    for (auto& node : nodes) node->weather = weather, node->upstream.locked = locked;
  };
  const auto submit = [&] {
    for (int i = 0; i < kSideBySide; ++i) nodes[0]->submit(user, i % 16 == 0 ? "not yet" : "a boat");
  };
  // One after the other; tasks come until the last has begun.
  const struct {
    std::function<void()> begins;
    std::function<bool()> over;
  } seasons[] = {
      {[&] { save_accounts(false); }, [] { return true; }},  // they know of no account …
      {[&] { save_accounts(true), everywhere({.refuse = 100}), submit(); },  // … and then there are some, which have to rest
       [&] { return is("SELECT COUNT(*) FROM fg_alert WHERE kind = 'account_resting'"); }},
      {[&] { everywhere({}, {"main"}); }, [&] { return is("SELECT COUNT(*) FROM fg_upstream_account WHERE out_since IS NOT NULL"); }},
      {[&] { everywhere({.lost_after = 5, .bad_download = 50}), submit(); }, [&] { return all_ended(); }},
  };
  std::size_t season = 0;
  int steps = 0;
  seasons[0].begins();
  std::barrier step(kSideBySide, [&]() noexcept {
    if (++steps < 5) return;  // of one moment: they have read what accounts there are
    if (seasons[season].over()) {
      if (++season == std::size(seasons)) return;
      seasons[season].begins();
      if (season == 1) return void(steps = 3);
    }
    if (season + 1 < std::size(seasons) && all_ended()) submit();
    house.clock.advance(4'000);
  });
  side_by_side(kSideBySide, [&](int i) {
    Node& node = *nodes[static_cast<std::size_t>(i)];
    while (season < std::size(seasons) && steps < 1'000) {
      node.turn();
      step.arrive_and_wait();
    }
    node.stop();
    return 0;
  });
  EXPECT_EQ(season, std::size(seasons)) << "it never ends";
  EXPECT_FALSE(is("SELECT COUNT(*) FROM (SELECT task_id FROM fg_credit_entry WHERE kind = 'capture' GROUP BY task_id HAVING COUNT(*) > 1) t"));
  EXPECT_TRUE(is("SELECT COUNT(*) FROM fg_task WHERE status = 'succeeded'"));
}

FLUX_ON_BOTH_ENGINES(EngineFails);
FLUX_ON_BOTH_ENGINES(EngineWaits);
FLUX_ON_BOTH_ENGINES(EngineSideBySide);

}  // namespace
}  // namespace fluxgate::closures

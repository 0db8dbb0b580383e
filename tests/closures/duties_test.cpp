// The closures of a node's regular duties, as its loop gives them: once while each of its lines fails at every statement
// in turn, and once as sixty-four nodes.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "app/clocks.h"
#include "app/upkeep.h"
#include "base/ids.h"
#include "files/rules.h"
#include "old_tasks.h"
#include "tasks/retention.h"

namespace fluxgate::closures {
namespace {

// The loop of one node, on the thread that turns it.
class Node {
 public:
  Node(House& house, const std::string& id) {
    group_.spawn("duties", app::keep_up(group_, due_, *house.uploads, {house.database, *house.identity, house.clock, id, house.files_folder() + "/archive"}));
  }
  ~Node() {
    group_.stop();
    due_.notify();
    io_.restart();
    io_.run();
  }
  void turn() {
    due_.notify();
    io_.restart();
    io_.run_one_for(std::chrono::milliseconds(2));  // the disk works on threads of its own
  }

 private:
  boost::asio::io_context io_;
  CoroGroup group_{io_.get_executor()};
  Wakeup due_{io_.get_executor()};
};

class Duties : public testing::TestWithParam<db::Dialect> {
 protected:
  Duties() {
    house.write([&](db::Tx& tx) {
      EXPECT_TRUE(tasks::save_retention(tx, {30, 0, false, 0}, now()));
      EXPECT_TRUE(files::save_rules(tx, {.retention = {.uploads = 30}}, now()));
    });
  }
  void TearDown() override {
    EXPECT_EQ(house.database.left(), "") << "left of closures that failed";
    EXPECT_EQ(house.audit(), "");
  }

  Millis now() const { return house.clock.now_ms(); }
  // What will have served its time after forty days: a task, its event and key, an upload, an unfinished one, an hour's usage.
  void live() {
    const auto answer = house.send("POST", "/api/v1/auths/signin", "", {{"email", ann.email}, {"password", kPassword}});
    ASSERT_EQ(answer.status, 200);
    const std::string token(answer.body.at("token").as_string());
    ASSERT_EQ(house.send("POST", "/api/v1/flux/text-to-image", token, {{"model", kModel}, {"prompt", "a boat"}}, new_id()).status, 200);
    auto claimed = house.write([&](db::Tx& tx) { return tasks::claim(tx, {"flux", "node", now(), 1, {{"environment", 1, 1'000}}}); });
    auto task = house.brought_to(claimed.at(0), tasks::TaskState::running);
    house.write([&, move = house.move_to(tasks::TaskState::failed)](db::Tx& tx) {
      EXPECT_TRUE(tasks::store::move(tx, task, move));
      house.files->insert(tx, {.id = new_id(), .user_id = ann.id, .filename = "a.png", .source_type = "upload", .created_at = now()},
                          {.key = new_id(), .size = 5, .mime = "image/png"});
    });
    EXPECT_TRUE(house.run(house.uploads->create(ann.id, files::Purpose::audio_upload, "a.mp3", 100)));
    house.clock.advance(40 * kDay);
  }
  bool all_done() {
    return house.number("SELECT (SELECT COUNT(*) FROM fg_task) + (SELECT COUNT(*) FROM fg_event WHERE type NOT LIKE 'alert.%') + (SELECT COUNT(*) FROM fg_idempotency) + "
                        "(SELECT COUNT(*) FROM fg_upload) + (SELECT COUNT(*) FROM generated_files)") == 0;
  }

  House house{GetParam()};
  const Person ann = house.sign_up("ann@example.org");
};

class DutiesFail : public Duties {
 protected:
  // Until nothing fails any more.
  void work_for_years(Failing failing) {
    Node node(house, "node");
    int year = 0;
    for (int before = -1; house.database.failed_so() != before; ++year) {
      ASSERT_LT(year, 20) << "something fails for ever";
      before = house.database.failed_so();
      ASSERT_NO_FATAL_FAILURE(live());
      house.database.let_fail(failing);
      for (int turn = 0; !all_done(); ++turn) {
        ASSERT_LT(turn, 60'000);
        house.clock.advance(1'000);
        node.turn();
      }
      house.database.let_fail(Failing::not_at_all);
    }
  }
};
using DutiesSideBySide = Duties;
using DutiesClock = Duties;

TEST_P(DutiesFail, AtEveryStatementAndGoOn) { work_for_years(Failing::in_turn); }
TEST_P(DutiesFail, ToHearOfTheirCommitsAndGoOn) { work_for_years(Failing::untold); }

TEST_P(DutiesSideBySide, SixtyFourNodesDoThemOnce) {
  for (int i = 0; i < 4; ++i) ASSERT_NO_FATAL_FAILURE(live());
  side_by_side(kSideBySide, [&](int i) {
    Node node(house, fmt::format("node{}", i));
    for (int turn = 0; turn < 60'000 && (turn % 16 != 0 || !all_done()); ++turn) {
      node.turn();
      if (i == 0) house.clock.advance(200);
    }
    return 0;
  });
  EXPECT_TRUE(all_done());
  EXPECT_EQ(house.number("SELECT SUM(failed) FROM fg_usage_hourly"), 4) << "each counted once";
}

// By so much another clock than the machine's, which is the database's, too.
class Off final : public Clock {
 public:
  explicit Off(Millis by) : by_(by) {}
  Millis now_ms() const override { return system_clock().now_ms() + by_; }

 private:
  const Millis by_;
};

// On both sides of the limit, ahead and behind; a life whose clock is right resolves what one before it raised.
TEST_P(DutiesClock, IsToldOfWhenItIsAnotherThanTheDatabases) {
  const bool shared = GetParam() == db::Dialect::postgresql;
  const Millis a_while = 60'000;  // for a machine that is slow between the two looks
  for (const auto& [by, alerts] : {std::pair(app::kClockOff + a_while, 1), std::pair(app::kClockOff - 1'000, 0), std::pair(-app::kClockOff - a_while, 1),
                                   std::pair(1'000 - app::kClockOff, 0)}) {
    const Off clock(by);
    std::optional<bool> told;
    house.run(app::compare_clocks(house.database, clock, told));
    EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_alert WHERE kind = 'clock_off' AND resolved_at IS NULL"), shared ? alerts : 0) << by;
  }
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_alert WHERE message_en LIKE '%ahead of%'"), shared ? 1 : 0);
}

FLUX_ON_BOTH_ENGINES(DutiesClock);
FLUX_ON_BOTH_ENGINES(DutiesFail);
FLUX_ON_BOTH_ENGINES(DutiesSideBySide);

}  // namespace
}  // namespace fluxgate::closures

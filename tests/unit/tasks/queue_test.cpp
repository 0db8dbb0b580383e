// Turns, priorities, aging and limits of claims, on a real database.
#include <gtest/gtest.h>

#include "base/ids.h"
#include "db/schema.h"
#include "tasks/durations.h"
#include "tasks/queue.h"
#include "tasks/task_store.h"

namespace fluxgate::tasks {
namespace {

using Names = std::vector<std::string>;

class Queue : public testing::Test {
 protected:
  template <class F>
  auto write(F closure) {
    return database_->write_now(closure);
  }

  void SetUp() override {
    database_ = db::open(":memory:");
    write([](db::Tx& tx) { db::create_missing(tx, 1); });
  }

  // Puts `count` tasks of a user in the line, one after the other; their prompts name them: "ann1", "ann2" …
  void line_up(const std::string& user, int count, Priority priority = Priority::normal, const std::string& model = "m") {
    write([&](db::Tx& tx) {
      for (int i = 0; i < count; ++i) {
        Task task;
        task.id = fmt::format("{:08}", ++made_);
        task.user_id = user;
        task.provider = "flux";
        task.endpoint = "text_to_image";
        task.model = model;
        task.priority = priority;
        task.prompt = user + std::to_string(++by_user_[user]);
        task.created_at = now_;
        store::insert(tx, task, {});
      }
    });
  }

  Names take(int limit, std::vector<Room> rooms = {{"a", 1, 1'000}}) {
    auto tasks = write([&](db::Tx& tx) { return claim(tx, {"flux", "node", now_, limit, rooms}); });
    Names names;
    for (const Task& task : tasks) names.push_back(task.prompt);
    for (Task& task : tasks) taken_.push_back(std::move(task));
    return names;
  }

  void rules(const Scheduling& scheduling) {
    write([&](db::Tx& tx) { EXPECT_TRUE(save_scheduling(tx, scheduling, now_)); });
  }

  // The task is over: its place is free.
  void end(std::size_t index) {
    write([&](db::Tx& tx) { tx.exec("UPDATE fg_task SET status = 'failed', owner = NULL WHERE id = $1", {taken_[index].id}); });
  }

  std::unique_ptr<db::Database> database_;
  Millis now_ = 1'000'000;
  int made_ = 0;
  std::map<std::string, int> by_user_;
  std::vector<Task> taken_;
};

TEST_F(Queue, ServesUsersInTurnWhateverOneOfThemHasPiledUp) {
  line_up("ann", 500);
  line_up("bob", 2);
  line_up("cem", 1);
  EXPECT_EQ(take(7), (Names{"ann1", "bob1", "cem1", "ann2", "bob2", "ann3", "ann4"}));
}

TEST_F(Queue, GoesOnWithTheRoundInTheNextClaim) {
  line_up("ann", 3);
  line_up("bob", 3);
  line_up("cem", 3);
  Names served;
  for (int i = 0; i < 6; ++i) served.push_back(take(1).at(0));
  EXPECT_EQ(served, (Names{"ann1", "bob1", "cem1", "ann2", "bob2", "cem2"}));
}

TEST_F(Queue, GivesAUserAsManyTasksPerTurnAsTheirWeight) {
  Scheduling scheduling;
  scheduling.users["bob"] = {.weight = 3};
  rules(scheduling);
  line_up("ann", 9);
  line_up("bob", 9);
  EXPECT_EQ(take(8), (Names{"ann1", "bob1", "bob2", "bob3", "ann2", "bob4", "bob5", "bob6"}));
}

TEST_F(Queue, ServesTheHigherPriorityFirst) {
  line_up("ann", 2, Priority::low);
  line_up("bob", 2, Priority::normal);
  line_up("cem", 2, Priority::high);
  EXPECT_EQ(take(6), (Names{"cem1", "cem2", "bob1", "bob2", "ann1", "ann2"}));
}

TEST_F(Queue, ServesEveryFourthFromThoseWhoWaitedTooLong) {
  line_up("low", 3, Priority::low);
  line_up("usual", 3, Priority::normal);
  now_ += Scheduling{}.aging_ms;
  line_up("urgent", 20, Priority::high);
  Names on_time = take(4);
  EXPECT_EQ(on_time, (Names{"urgent1", "urgent2", "urgent3", "urgent4"})) << "exactly the limit is not beyond it";
  now_ += 1;
  EXPECT_EQ(take(8), (Names{"urgent5", "urgent6", "urgent7", "usual1", "urgent8", "urgent9", "urgent10", "low1"}));
}

TEST_F(Queue, NeverStarvesAnybodyUnderAFloodOfUrgentTasks) {
  line_up("low", 1, Priority::low);
  now_ += Scheduling{}.aging_ms + 1;
  for (int i = 0; i < 4; ++i) {
    line_up("urgent", 1, Priority::high);
    take(1);
  }
  EXPECT_EQ(std::ranges::count(taken_, "low1", &Task::prompt), 1);
}

TEST_F(Queue, FillsAccountsUpToTheirLimitByWeight) {
  line_up("ann", 20);
  EXPECT_EQ(take(20, {{"big", 3, 6}, {"small", 1, 2}}).size(), 8u);
  EXPECT_EQ(std::ranges::count(taken_, "big", &Task::account_id), 6);
  EXPECT_EQ(std::ranges::count(taken_, "small", &Task::account_id), 2);
  std::vector<std::string> first_four;
  for (int i = 0; i < 4; ++i) first_four.push_back(taken_[static_cast<std::size_t>(i)].account_id);
  EXPECT_EQ(std::ranges::count(first_four, "big"), 3) << "three to one, from the beginning";
  EXPECT_TRUE(take(20, {{"big", 3, 6}, {"small", 1, 2}}).empty()) << "both are full";
  end(0);
  EXPECT_EQ(take(20, {{"big", 3, 6}, {"small", 1, 2}}).size(), 1u);
}

TEST_F(Queue, HoldsTheLimitOfAUserAndServesTheOthers) {
  Scheduling scheduling;
  scheduling.users["ann"] = {.at_once = 2};
  rules(scheduling);
  line_up("ann", 5);
  line_up("bob", 3);
  EXPECT_EQ(take(10), (Names{"ann1", "bob1", "ann2", "bob2", "bob3"}));
  EXPECT_TRUE(take(10).empty());
  end(0);
  EXPECT_EQ(take(10), (Names{"ann3"}));
}

TEST_F(Queue, HoldsTheLimitOfAModelAndServesTheUsersOthers) {
  Scheduling scheduling;
  scheduling.models["scarce"] = 1;
  rules(scheduling);
  line_up("ann", 3, Priority::normal, "scarce");
  line_up("ann", 2, Priority::normal, "scarce-not");
  EXPECT_EQ(take(10), (Names{"ann1", "ann4", "ann5"}));
  end(0);
  EXPECT_EQ(take(10), (Names{"ann2"}));
}

TEST_F(Queue, LeavesTasksThatAreNotDueYet) {
  line_up("ann", 2);
  auto first = take(1);
  write([&](db::Tx& tx) { EXPECT_TRUE(give_back(tx, taken_[0], now_ + 10, now_)); });
  EXPECT_EQ(take(5), (Names{"ann2"}));
  now_ += 9;
  EXPECT_TRUE(take(5).empty());
  now_ += 1;
  EXPECT_EQ(take(5), (Names{"ann1"}));
}

TEST_F(Queue, IsWorthAClaimOnlyWhileSomethingWaitsAndThereIsRoom) {
  const auto worth = [&](std::vector<Room> rooms) {
    return database_->read_now([&](db::Tx& tx) { return worth_claiming(tx, {"flux", "node", now_, 10, rooms}); });
  };
  const std::vector<Room> rooms{{"a", 1, 2}, {"b", 1, 1}};
  EXPECT_FALSE(worth(rooms)) << "nobody waits";
  line_up("ann", 4);
  EXPECT_TRUE(worth(rooms));
  EXPECT_TRUE(worth({})) << "to be ended with the reason";
  EXPECT_EQ(take(10, rooms).size(), 3u);
  EXPECT_FALSE(worth(rooms)) << "all places are taken";
  end(0);
  EXPECT_TRUE(worth(rooms));
  EXPECT_FALSE(worth({{"a", 1, 2, 0}, {"b", 1, 1, 0}})) << "accounts that may be given nothing now";
  EXPECT_EQ(take(10, rooms).size(), 1u);
  end(1), end(2), end(3);
  EXPECT_FALSE(worth(rooms)) << "nobody waits any more";
}

TEST_F(Queue, TakesTasksWithoutAnAccountWhenThereIsNone) {
  line_up("ann", 3);
  EXPECT_EQ(take(2, {}).size(), 2u);
  EXPECT_EQ(taken_[0].account_id, "");
}

TEST_F(Queue, TellsThePlaceThatTurnsAndPrioritiesGive) {
  line_up("ann", 500);
  line_up("bob", 3);
  line_up("urgent", 4, Priority::high);
  auto line = write([&](db::Tx& tx) { return Line::of(tx, "flux", now_); });
  EXPECT_EQ(line.waiting(), 507);
  EXPECT_EQ(line.ahead(Priority::high, "urgent", 0), 0);
  EXPECT_EQ(line.ahead(Priority::normal, "bob", 0), 4 + 1) << "one of ann's may come first, not five hundred";
  EXPECT_EQ(line.ahead(Priority::normal, "bob", 2), 4 + 2 + 3);
  EXPECT_EQ(line.ahead(Priority::normal, "ann", 499), 4 + 499 + 3);
  EXPECT_EQ(line.ahead(Priority::low, "newcomer", 0), 507);
}

TEST_F(Queue, EstimatesTheWaitFromWhatIsAtWork) {
  line_up("ann", 10);
  take(2);
  auto line = write([&](db::Tx& tx) { return Line::of(tx, "flux", now_); });
  EXPECT_EQ(line.wait_ms(0, 3), 0) << "a place is free";
  EXPECT_EQ(line.wait_ms(0, 2), std::nullopt) << "nothing was learned yet";
  write([&](db::Tx& tx) { add_durations(tx, "m", "", {4'000}, now_); });
  line = write([&](db::Tx& tx) { return Line::of(tx, "flux", now_); });
  EXPECT_EQ(line.wait_ms(0, 2), 2'000) << "two at work, each for four seconds: one ends every two";
  EXPECT_EQ(line.wait_ms(3, 2), 8'000);
}

TEST_F(Queue, EstimatesTheWaitForTheLimitsOfUserAndModelToo) {
  Scheduling scheduling;
  scheduling.users["ann"] = {.at_once = 2};
  scheduling.models["slow"] = 1;
  line_up("ann", 6);
  line_up("bob", 1, Priority::normal, "slow");
  line_up("cem", 1, Priority::normal, "slow");
  rules(scheduling);
  EXPECT_EQ(take(10), (Names{"ann1", "bob1", "ann2"}));
  const auto wait = [&](const std::string& prompt) {
    return write([&](db::Tx& tx) {
      const auto id = tx.first("SELECT id FROM fg_task WHERE prompt = $1", {prompt}, [](const db::Row& row) { return row.str(0); });
      const auto task = store::find(tx, id.value(), "");
      return wait_for_limits(tx, load_scheduling(tx), *task, own_ahead(tx, *task));
    });
  };
  EXPECT_EQ(wait("ann3"), std::nullopt) << "nothing was learned yet";
  write([&](db::Tx& tx) {
    add_durations(tx, "m", "", {4'000}, now_);
    add_durations(tx, "slow", "", {60'000}, now_);
  });
  EXPECT_EQ(wait("ann3"), 2'000) << "two at work, each for four seconds: one ends every two";
  EXPECT_EQ(wait("ann6"), 8'000);
  EXPECT_EQ(wait("cem1"), 60'000) << "one of that model at a time";
  end(0);
  EXPECT_EQ(wait("ann3"), 0) << "a place is free";
  line_up("dan", 9);
  EXPECT_EQ(wait("dan9"), 0) << "no limit is theirs";
}

TEST_F(Queue, KeepsTheRulesOverASave) {
  Scheduling scheduling;
  scheduling.roles["user"] = {.priorities = {Priority::low}, .weight = 7, .at_once = 3, .pending = 9};
  scheduling.users["u"] = {.weight = 2};
  scheduling.models["m"] = 4;
  scheduling.aging_ms = 5'000;
  scheduling.aged_share = 8;
  rules(scheduling);
  auto kept = write([](db::Tx& tx) { return load_scheduling(tx); });
  EXPECT_EQ(kept.roles, scheduling.roles);
  EXPECT_EQ(kept.users, scheduling.users);
  EXPECT_EQ(kept.models, scheduling.models);
  EXPECT_EQ(kept.aging_ms, 5'000);
  EXPECT_EQ(kept.aged_share, 8);
  EXPECT_EQ(kept.rev, 1);
  EXPECT_FALSE(write([&](db::Tx& tx) { return save_scheduling(tx, scheduling, now_); })) << "its revision is old";
  EXPECT_TRUE(write([&](db::Tx& tx) { return save_scheduling(tx, kept, now_); }));
}

}  // namespace
}  // namespace fluxgate::tasks

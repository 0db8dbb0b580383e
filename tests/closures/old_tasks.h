// What the tests of that share which grows with the years.
#pragma once

#include <gtest/gtest.h>

#include "house.h"
#include "stats/usage.h"
#include "tasks/queue.h"
#include "tasks/task_store.h"

namespace fluxgate::closures {

inline constexpr Millis kDay = 86'400'000;

class OldTasks : public testing::TestWithParam<db::Dialect> {
 protected:
  using TaskState = tasks::TaskState;
  void TearDown() override { EXPECT_EQ(house.audit(), ""); }

  Millis now() const { return house.clock.now_ms(); }
  std::string submitted(const Person& person) {
    const auto answer = house.send("POST", "/api/v1/flux/text-to-image", person.token, {{"model", kModel}, {"prompt", "a boat"}});
    EXPECT_EQ(answer.status, 200) << boost::json::serialize(answer.body);
    return std::string(answer.body.at("id").as_string());
  }
  // A task of that moment that has ended so.
  std::string ended(const Person& person, TaskState state = TaskState::succeeded, int files = 1) {
    const std::string id = submitted(person);
    auto claimed = house.write([&](db::Tx& tx) { return tasks::claim(tx, {"flux", "node", now(), 1, {{"environment", 1, 1'000}}}); });
    EXPECT_EQ(claimed.at(0).id, id);
    auto task = house.brought_to(claimed.at(0), state == TaskState::succeeded ? TaskState::storing : TaskState::running);
    auto move = house.move_to(state);
    if (state == TaskState::succeeded) move.captured = task.quote, move.delivered = files;
    house.write([&](db::Tx& tx) {
      EXPECT_TRUE(tasks::store::move(tx, task, move));
      tasks::store::insert_attempt(tx, {.id = "attempt of " + id, .task_id = id, .account_id = "environment"});
      for (int i = 0; state == TaskState::succeeded && i < files; ++i) house.deliver(tx, task, i);
    });
    return id;
  }
  std::vector<stats::Usage> asked(stats::Question question) {
    if (question.to == 0) question.to = now() + kDay;
    return house.read([&](db::Tx& tx) { return stats::usage(tx, question, 1'000); });
  }

  House house{GetParam()};
};

}  // namespace fluxgate::closures

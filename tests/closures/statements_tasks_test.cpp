// The write closures about tasks, failing at each of their statements in turn: by their routes, and one by one what the
// engine is made of (engine_test.cpp has it at work).
#include "base/ids.h"
#include "statements.h"
#include "tasks/durations.h"
#include "tasks/queue.h"
#include "tasks/task_store.h"

namespace fluxgate::closures {
namespace {

namespace json = boost::json;

using TaskStatements = Statements;

TEST_P(TaskStatements, OfTasksAndBatches) {
  const Person ann = house.sign_up("ann@example.org");
  const std::string text_to_image = "/api/v1/flux/text-to-image";
  request_fails("submit", [&] { return house.send("POST", text_to_image, ann.token, picture("a")); });
  request_fails("submit with a key", [&] { return house.send("POST", text_to_image, ann.token, picture("b"), "key-1"); });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task"), 2) << "the ones that failed made none";
  const std::string id = made_id();
  request_fails("cancel", [&] { return house.send("DELETE", "/api/v1/flux/task/" + id, ann.token); });

  json::array requests;
  for (int i = 0; i < 3; ++i) requests.push_back(picture(fmt::format("item {}", i)));
  request_fails("batch", [&] { return house.send("POST", "/api/v1/batches", ann.token, {{"requests", requests}}, "key-2"); });
  const std::string batch = made_id();
  request_fails("batch cancelled", [&] { return house.send("DELETE", "/api/v1/batches/" + batch, ann.token); });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE batch_id = $1 AND status = 'cancelled'", {batch}), 3);

  closure_fails("a claim", [&](db::Tx& tx) { EXPECT_EQ(tasks::claim(tx, {"flux", "n1", now(), 10, {{"environment", 1, 9}}}).size(), 1u); });
  closure_fails("cancelled at work", [&](db::Tx& tx) {
    const auto task = tasks::store::find(tx, tx.first("SELECT id FROM fg_task WHERE owner = 'n1'", {}, [](const auto& r) { return r.str(0); }).value(), "");
    EXPECT_TRUE(tasks::store::request_cancel(tx, *task, now()));
  });
  closure_fails("a take-over", [&](db::Tx& tx) { EXPECT_EQ(tasks::store::take_over(tx, "n2", now(), 10).size(), 1u); });
  closure_fails("durations", [&](db::Tx& tx) { tasks::add_durations(tx, kModel, "1", {900, 1'000}, now()); });
  closure_fails("durations again", [&](db::Tx& tx) { tasks::add_durations(tx, kModel, "1", {1'100}, now()); });
  closure_fails("a lease", [&](db::Tx& tx) { tasks::store::renew_lease(tx, "n2", 10'000, now()); });
  closure_fails("a lease that ends", [&](db::Tx& tx) { tasks::store::end_lease(tx, "n2"); });
}

// It is not said then that nothing was done; a key brings the truth.
TEST_P(TaskStatements, WhenNobodyKnowsWhetherTheyWereCommitted) {
  const Person ann = house.sign_up("ann@example.org");
  const auto send = [&] { return house.send("POST", "/api/v1/flux/text-to-image", ann.token, picture("a"), "key"); };
  house.database.let_fail(Failing::untold);
  last = send();
  house.database.let_fail(Failing::not_at_all);
  EXPECT_EQ(last.status, 503);
  EXPECT_EQ(last.body.at("code"), "outcome_unknown");
  const std::int64_t held = house.number("SELECT held FROM fg_credit_account WHERE user_id = $1", {ann.id});
  EXPECT_GT(held, 0);
  last = send();
  EXPECT_EQ(last.status, 200);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE id = $1", {made_id()}), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task"), 1);
  EXPECT_EQ(house.number("SELECT held FROM fg_credit_account WHERE user_id = $1", {ann.id}), held) << "held once";
}

TEST_P(TaskStatements, OfEveryTransition) {
  using tasks::TaskState;
  const Person ann = house.sign_up("ann@example.org");
  for (const auto& [from, to] : tasks::kTaskMoves) {
    submitted(ann, fmt::format("{} {}", name(from), name(to)));
    const auto claimed = house.write([&](db::Tx& tx) { return tasks::claim(tx, {"flux", "n", now(), 1, {{"environment", 1, 99}}}); });
    const auto before = house.brought_to(claimed.at(0), from);
    auto move = house.move_to(to);
    if (to == TaskState::succeeded) move.captured = before.quote;
    closure_fails(fmt::format("{} to {}", name(from), name(to)),
                  [&, target = to, attempt = new_id()](db::Tx& tx) {
                    tasks::Task after = before;
                    EXPECT_TRUE(tasks::store::move(tx, after, move));
                    tasks::store::insert_attempt(tx, {.id = attempt, .task_id = after.id, .account_id = "a"});
                    tasks::store::accept_attempt(tx, attempt, {{"id", 1}}, now());
                    tasks::store::finish_attempt(tx, attempt, "done", now());
                    if (target == TaskState::succeeded) house.deliver(tx, after);
                  });
    if (to == TaskState::queued) house.send("DELETE", "/api/v1/flux/task/" + before.id, ann.token);
  }
  submitted(ann, "given back");
  const auto claimed = house.write([&](db::Tx& tx) { return tasks::claim(tx, {"flux", "n", now(), 1, {{"environment", 1, 99}}}); });
  closure_fails("given back", [&](db::Tx& tx) { EXPECT_TRUE(tasks::give_back(tx, claimed.at(0), now(), now())); });
}

FLUX_ON_BOTH_ENGINES(TaskStatements);

}  // namespace
}  // namespace fluxgate::closures

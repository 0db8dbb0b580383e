// The write closures about money and tasks, sixty-four at once, on both engines: what may happen once does, and the books
// are in order.
#include "base/ids.h"
#include "side_by_side.h"
#include "tasks/scheduling.h"
#include "tasks/task_store.h"

namespace fluxgate::closures {
namespace {

namespace json = boost::json;

using TasksSideBySide = SideBySide;

TEST_P(TasksSideBySide, CreditsAreMovedByEverybodyOnce) {
  const Person admin = house.sign_up("admin@example.org"), bob = house.sign_up("bob@example.org");
  const std::string path = "/api/v1/users/" + bob.id + "/credit";
  EXPECT_EQ(statuses([&](int) { return house.send("PUT", path, admin.token, {{"amount", 7}}); }), (std::map<int, int>{{204, 64}}));
  EXPECT_EQ(house.number("SELECT balance FROM fg_credit_account WHERE user_id = $1", {bob.id}),
            (kOpening + Credits::whole(64 * 7)).in_thousandths());
  EXPECT_EQ(statuses([&](int) { return house.send("PUT", path, admin.token, {{"amount", -100}}); }).at(204), 14) << "of 1448";
  statuses([&](int i) { return house.send("PUT", path, admin.token, {{"credit", i}}); });
}

TEST_P(TasksSideBySide, SubmitsNeverSpendMoreThanThereIs) {
  const Person admin = house.sign_up("admin@example.org"), bob = house.sign_up("bob@example.org");
  const auto price = house.send("POST", kTextToImage, admin.token, picture("what does it cost")).body.at("cost").at("quote").to_number<double>();
  house.send("PUT", "/api/v1/users/" + bob.id + "/credit", admin.token, {{"credit", price * 10.5}});
  EXPECT_EQ(statuses([&](int i) { return house.send("POST", kTextToImage, bob.token, picture(fmt::format("{}", i))); }),
            (std::map<int, int>{{200, 10}, {402, 54}}));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE user_id = $1", {bob.id}), 10);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_event WHERE user_id = $1 AND type = 'task.updated'", {bob.id}), 10);
}

TEST_P(TasksSideBySide, OneIdempotencyKeyIsOneTaskOrOneBatch) {
  const Person ann = house.sign_up("ann@example.org");
  const auto ids = side_by_side(kSideBySide, [&](int) {
    return std::string(house.send("POST", kTextToImage, ann.token, picture("once"), "key").body.at("id").as_string());
  });
  EXPECT_EQ((std::set(ids.begin(), ids.end()).size()), 1u);
  const json::object batch{{"requests", json::array{picture("a"), picture("b")}}};
  const auto batches = side_by_side(kSideBySide, [&](int) {
    return std::string(house.send("POST", "/api/v1/batches", ann.token, batch, "key").body.at("id").as_string());
  });
  EXPECT_EQ((std::set(batches.begin(), batches.end()).size()), 1u);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task"), 3);
}

TEST_P(TasksSideBySide, ALimitOfUnfinishedTasksHolds) {
  const Person admin = house.sign_up("admin@example.org"), bob = house.sign_up("bob@example.org");
  json::object rules = house.send("GET", "/api/v1/admin/scheduling", admin.token).body.as_object();
  rules["users"] = json::object{{bob.id, json::object{{"pending", 9}}}};
  ASSERT_EQ(house.send("PUT", "/api/v1/admin/scheduling", admin.token, rules).status, 200);
  EXPECT_EQ(statuses([&](int i) { return house.send("POST", kTextToImage, bob.token, picture(fmt::format("{}", i))); }),
            (std::map<int, int>{{200, 9}, {429, 55}}));
}

TEST_P(TasksSideBySide, ATaskIsCancelledOnceAndItsHoldReleasedOnce) {
  const Person ann = house.sign_up("ann@example.org");
  const auto id = submitted(ann, 1).front();
  EXPECT_EQ(statuses([&](int) { return house.send("DELETE", "/api/v1/flux/task/" + id, ann.token); }), (std::map<int, int>{{200, 64}}));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_credit_entry WHERE task_id = $1 AND kind = 'release'", {id}), 1);
  EXPECT_EQ(house.number("SELECT held FROM fg_credit_account"), 0);
}

TEST_P(TasksSideBySide, ClaimsTakeEachTaskOnceAndKeepTheLimits) {
  const Person ann = house.sign_up("ann@example.org"), bob = house.sign_up("bob@example.org");
  submitted(ann, 30);
  submitted(bob, 30);
  const auto taken = side_by_side(kSideBySide, [&](int i) {
    return house.write([&](db::Tx& tx) {
      std::vector<std::string> ids;
      for (const auto& task : tasks::claim(tx, {"flux", fmt::format("node{}", i), now(), 3, {{"a", 1, 20}, {"b", 1, 25}}})) ids.push_back(task.id);
      return ids;
    });
  });
  std::multiset<std::string> all;
  for (const auto& ids : taken) all.insert(ids.begin(), ids.end());
  EXPECT_EQ(all.size(), 45u) << "as many as the accounts have room for";
  EXPECT_EQ((std::set(all.begin(), all.end()).size()), 45u);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE owner IS NOT NULL AND account_id = 'a'"), 20);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE owner IS NOT NULL AND account_id = 'b'"), 25);
}

TEST_P(TasksSideBySide, ClaimsAndCancelsNeverHaveTheSameTask) {
  const Person ann = house.sign_up("ann@example.org");
  const auto ids = submitted(ann, 32);
  side_by_side(kSideBySide, [&](int i) {
    if (i % 2 == 0) return house.send("DELETE", "/api/v1/flux/task/" + ids[static_cast<std::size_t>(i / 2)], ann.token).status;
    return static_cast<int>(claimed(1, fmt::format("node{}", i)).size());
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE status = 'cancelled' AND owner IS NOT NULL"), 0) << "nobody works on what has ended";
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE status = 'queued' AND cancel_requested_at IS NULL AND id <= $1", {ids.back()}), 0)
      << "each cancel was heard";
}

TEST_P(TasksSideBySide, AClaimPassesOverATaskThatIsJustBeingCancelled) {
  if (GetParam() == db::Dialect::sqlite) GTEST_SKIP() << "there one closure runs after the other";
  const Person ann = house.sign_up("ann@example.org");
  const auto ids = submitted(ann, 2);
  std::atomic<bool> cancelled = false, claimed_one = false;
  std::thread cancel([&] {
    house.write([&, move = house.move_to(tasks::TaskState::cancelled)](db::Tx& tx) {
      auto task = *tasks::store::find(tx, ids.front(), "");
      EXPECT_TRUE(tasks::store::move(tx, task, move));
      cancelled = true;
      const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(3);
      while (!claimed_one && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
    });
  });
  while (!cancelled) std::this_thread::yield();
  const auto taken = claimed(2);
  claimed_one = true;
  cancel.join();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken.front().id, ids.back());
}

TEST_P(TasksSideBySide, EachTransitionIsMadeOnce) {
  const Person ann = house.sign_up("ann@example.org");
  int events = 0;
  for (const auto& [from, to] : tasks::kTaskMoves) {
    SCOPED_TRACE(fmt::format("{} to {}", name(from), name(to)));
    submitted(ann, 1);
    const tasks::Task before = house.brought_to(claimed(1).front(), from);
    EXPECT_EQ(yes([&, target = to](int) {
      auto move = house.move_to(target);
      if (target == tasks::TaskState::succeeded) move.captured = Credits::thousandths(before.quote.in_thousandths() / 2);
      return house.write([&, move, attempt = new_id()](db::Tx& tx) {
        tasks::Task after = before;
        if (!tasks::store::move(tx, after, move)) return false;
        tasks::store::insert_attempt(tx, {.id = attempt, .task_id = after.id, .account_id = "a"});
        if (target == tasks::TaskState::succeeded) house.deliver(tx, after);
        return true;
      });
    }), 1);
    EXPECT_EQ(house.read([&](db::Tx& tx) { return tasks::store::find(tx, before.id, "")->state; }), to);
    // What waits again is claimed by nobody in this test.
    if (to == tasks::TaskState::queued) house.send("DELETE", "/api/v1/flux/task/" + before.id, ann.token);
    ++events;
  }
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task_attempt"), events);
}

TEST_P(TasksSideBySide, DifferentEndsOfOneTaskExcludeEachOther) {
  using tasks::TaskState;
  const Person ann = house.sign_up("ann@example.org");
  submitted(ann, 16);
  std::vector<tasks::Task> running;
  for (auto& task : claimed(16)) running.push_back(house.brought_to(std::move(task), TaskState::running));
  EXPECT_EQ(yes([&](int i) {
    const tasks::Task before = running[static_cast<std::size_t>(i / 4)];
    return house.write([&, move = house.move_to(i % 2 == 0 ? TaskState::failed : TaskState::cancelled)](db::Tx& tx) {
      tasks::Task after = before;
      return tasks::store::move(tx, after, move);
    });
  }), 16);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_credit_entry WHERE kind = 'release'"), 16);
}

TEST_P(TasksSideBySide, WhatRunsIsAskedToStopAndWhatIsGivenBackIsFree) {
  const Person ann = house.sign_up("ann@example.org");
  const auto ids = submitted(ann, 2);
  auto tasks = claimed(2);
  const auto running = house.brought_to(tasks.at(0), tasks::TaskState::running);
  EXPECT_EQ(statuses([&](int) { return house.send("DELETE", "/api/v1/flux/task/" + running.id, ann.token); }), (std::map<int, int>{{200, 64}}));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE cancel_requested_at IS NOT NULL AND status = 'running'"), 1);
  EXPECT_EQ(yes([&](int) {
    return house.write([&](db::Tx& tx) { return tasks::give_back(tx, tasks.at(1), now(), now()); });
  }), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE owner IS NULL AND account_id IS NULL"), 1);
}

TEST_P(TasksSideBySide, AttemptsAndFilesOfOneTaskAreAllKept) {
  const Person ann = house.sign_up("ann@example.org");
  submitted(ann, 1);
  const auto task = house.brought_to(claimed(1).front(), tasks::TaskState::storing);
  side_by_side(kSideBySide, [&](int i) {
    house.write([&, id = fmt::format("attempt {}", i)](db::Tx& tx) {
      tasks::store::insert_attempt(tx, {.id = id, .task_id = task.id, .number = i, .account_id = "a"});
      tasks::store::accept_attempt(tx, id, {{"id", i}}, now());
      tasks::store::finish_attempt(tx, id, "done", now());
      house.deliver(tx, task, i);
    });
    return 0;
  });
  auto end = house.move_to(tasks::TaskState::succeeded);
  end.captured = task.quote;
  house.write([&](db::Tx& tx) {
    tasks::Task after = task;
    EXPECT_TRUE(tasks::store::move(tx, after, end));
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task_attempt WHERE outcome = 'done'"), 64);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task_file f JOIN generated_files g ON g.id = f.file_id"), 64);
}

TEST_P(TasksSideBySide, ABatchEndsOnceWithItsLastTaskWhoeverThatIs) {
  using tasks::TaskState;
  const Person ann = house.sign_up("ann@example.org");
  json::array requests;
  for (int i = 0; i < kSideBySide; ++i) requests.push_back(picture(fmt::format("item {}", i)));
  ASSERT_EQ(house.send("POST", "/api/v1/batches", ann.token, {{"requests", requests}}).status, 200);
  auto list = claimed(kSideBySide);
  ASSERT_EQ(list.size(), 64u);
  EXPECT_EQ(yes([&](int i) {
    const tasks::Task before = list[static_cast<std::size_t>(i)];
    return house.write([&, move = house.move_to(TaskState::failed)](db::Tx& tx) {
      tasks::Task after = before;
      return tasks::store::move(tx, after, move);
    });
  }), 64);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_batch WHERE ended_at IS NOT NULL"), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_event WHERE type = 'batch.ended'"), 1);
}

TEST_P(TasksSideBySide, ABatchIsCancelledWholeWhileItIsClaimed) {
  const Person ann = house.sign_up("ann@example.org");
  json::array requests;
  for (int i = 0; i < 200; ++i) requests.push_back(picture(fmt::format("item {}", i)));
  const auto made = house.send("POST", "/api/v1/batches", ann.token, {{"requests", requests}});
  const std::string id(made.body.at("id").as_string());
  side_by_side(kSideBySide, [&](int i) {
    if (i % 8 == 0) return house.send("DELETE", "/api/v1/batches/" + id, ann.token).status;
    return static_cast<int>(claimed(2, fmt::format("node{}", i)).size());
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE status = 'queued' AND cancel_requested_at IS NULL"), 0);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE status = 'cancelled' AND owner IS NOT NULL"), 0);
}

TEST_P(TasksSideBySide, TasksOfADeadNodeAreTakenOverOnce) {
  const Person ann = house.sign_up("ann@example.org");
  submitted(ann, 40);
  ASSERT_EQ(claimed(40, "dead").size(), 40u);
  const auto taken = side_by_side(kSideBySide, [&](int i) {
    return static_cast<int>(house.write([&](db::Tx& tx) {
      const std::string node = fmt::format("node{}", i);
      tasks::store::renew_lease(tx, node, 10'000, now());
      return tasks::store::take_over(tx, node, now(), 5).size();
    }));
  });
  int all = 0;
  for (int count : taken) all += count;
  if (house.database.dialect() == db::Dialect::postgresql) EXPECT_EQ(all, 40);  // leases of others end on SQLite
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE owner = 'dead'"), 0);
}

TEST_P(TasksSideBySide, ATaskThatItsOwnerJustEndedIsNotTakenOver) {
  if (GetParam() == db::Dialect::sqlite) GTEST_SKIP() << "there one closure runs after the other";
  const Person ann = house.sign_up("ann@example.org");
  submitted(ann, 1);
  const tasks::Task before = claimed(1, "slow").front();  // it has no lease
  std::atomic<bool> ended = false;
  std::thread slow([&] {
    house.write([&, move = house.move_to(tasks::TaskState::failed)](db::Tx& tx) {
      auto task = before;
      EXPECT_TRUE(tasks::store::move(tx, task, move));
      ended = true;
      const auto other_waits = [&] { return tx.number("SELECT COUNT(*) FROM pg_locks WHERE NOT granted") != 0; };
      const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (!other_waits() && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
    });
  });
  while (!ended) std::this_thread::yield();
  EXPECT_TRUE(house.write([&](db::Tx& tx) { return tasks::store::take_over(tx, "other", now(), 5); }).empty());
  slow.join();
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE owner IS NOT NULL OR fence <> $1", {before.fence}), 0);
}

FLUX_ON_BOTH_ENGINES(TasksSideBySide);

}  // namespace
}  // namespace fluxgate::closures

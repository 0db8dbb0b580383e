// Every write closure of the product, sixty-four at once, on both engines: what has to be unique is, what is counted
// is counted right, and the books are in order.
#include <algorithm>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "app/upkeep.h"
#include "base/ids.h"
#include "db/schema.h"
#include "files/rows.h"
#include "house.h"
#include "identity/access_keys.h"
#include "notify/alerts.h"
#include "notify/events.h"
#include "tasks/durations.h"
#include "tasks/queue.h"
#include "tasks/scheduling.h"
#include "tasks/task_store.h"

namespace fluxgate::closures {
namespace {

namespace json = boost::json;

constexpr const char* kTextToImage = "/api/v1/flux/text-to-image";

class SideBySide : public testing::TestWithParam<db::Dialect> {
 protected:
  void TearDown() override { EXPECT_EQ(house.audit(), ""); }

  // How many of sixty-four said yes.
  template <class F>
  std::int64_t yes(F f) {
    const auto answers = side_by_side(kSideBySide, [&](int i) { return static_cast<int>(f(i)); });
    return std::ranges::count(answers, 1);
  }
  std::map<int, int> statuses(const std::function<Answer(int)>& send) {
    std::map<int, int> counted;
    for (const Answer& answer : side_by_side(kSideBySide, send)) ++counted[answer.status];
    return counted;
  }
  json::object picture(std::string prompt) const { return {{"model", kModel}, {"prompt", std::move(prompt)}}; }
  // Tasks of a user, waiting; their ids.
  std::vector<std::string> submitted(const Person& person, int count) {
    std::vector<std::string> ids;
    for (int i = 0; i < count; ++i) {
      const auto answer = house.send("POST", kTextToImage, person.token, picture(fmt::format("task {}", i)));
      EXPECT_EQ(answer.status, 200) << json::serialize(answer.body);
      ids.emplace_back(answer.body.at("id").as_string());
    }
    return ids;
  }
  std::vector<tasks::Task> claimed(int count, const std::string& node = "node") {
    return house.write([&](db::Tx& tx) { return tasks::claim(tx, {"flux", node, now(), count, {{"environment", 1, 1'000}}}); });
  }
  Millis now() const { return house.clock.now_ms(); }

  House house{GetParam()};
};

// ---- people ----

TEST_P(SideBySide, FirstSignUpsMakeOneAdministrator) {
  const auto made = side_by_side(kSideBySide, [&](int i) { return house.sign_up(fmt::format("user{}@example.org", i)).id; });
  EXPECT_EQ((std::set(made.begin(), made.end()).size()), 64u);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM \"user\" WHERE role = 'admin'"), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_credit_account WHERE balance = $1", {kOpening}), 64);
}

TEST_P(SideBySide, SignUpsWithOneAddressMakeOneAccount) {
  const json::object form{{"name", "Ann"}, {"email", "ann@example.org"}, {"password", kPassword}};
  const auto answers = statuses([&](int) { return house.send("POST", "/api/v1/auths/signup", "", form); });
  EXPECT_EQ(answers, (std::map<int, int>{{200, 1}, {400, 63}}));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM auth"), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_credit_entry WHERE kind = 'open'"), 1);
}

TEST_P(SideBySide, OneAddressIsGivenToOneUser) {
  const Person admin = house.sign_up("admin@example.org");
  std::vector<Person> people;
  for (int i = 0; i < 8; ++i) people.push_back(house.sign_up(fmt::format("user{}@example.org", i)));
  const auto answers = statuses([&](int i) {
    const Person& person = people[static_cast<std::size_t>(i) % people.size()];
    return house.send("POST", "/api/v1/users/" + person.id + "/update", admin.token,
                      {{"name", "Someone"}, {"email", "wanted@example.org"}, {"profile_image_url", "/user.png"}, {"role", "user"}});
  });
  EXPECT_EQ(answers.at(200), 8) << "of the one who won, each time";
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM \"user\" WHERE email = 'wanted@example.org'"), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM auth WHERE email = 'wanted@example.org'"), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_once WHERE name LIKE 'email:%'"), 9);
}

TEST_P(SideBySide, AUserIsDeletedOnceAndLeavesNoKey) {
  const Person admin = house.sign_up("admin@example.org"), bob = house.sign_up("bob@example.org");
  const auto answers = side_by_side(kSideBySide, [&](int i) {
    if (i % 2 == 0) return house.send("POST", "/api/v1/auths/api_keys", bob.token, {{"name", fmt::format("key {}", i)}}).status;
    return -house.send("DELETE", "/api/v1/users/" + bob.id, admin.token).status;
  });
  EXPECT_EQ(std::ranges::count(answers, -200), 1);
  EXPECT_EQ(std::ranges::count(answers, -404), 31);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_access_key WHERE user_id = $1", {bob.id}), 0);
}

TEST_P(SideBySide, KeysStayWithinTheirNumberAndOneIsTheDefault) {
  const Person ann = house.sign_up("ann@example.org");
  EXPECT_EQ(statuses([&](int) { return house.send("POST", "/api/v1/auths/api_key", ann.token, json::object()); }), (std::map<int, int>{{200, 64}}));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_access_key WHERE revoked_at IS NULL"), 1);
  for (int round = 0; round < 2; ++round)
    side_by_side(kSideBySide, [&](int i) {
      return house.send("POST", "/api/v1/auths/api_keys", ann.token, {{"name", fmt::format("key {} {}", round, i)}}).status;
    });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_access_key WHERE revoked_at IS NULL"), identity::kKeysPerUser);
}

TEST_P(SideBySide, DocumentsAndSettingsKeepWhatEverybodyWrote) {
  const Person ann = house.sign_up("ann@example.org");
  side_by_side(kSideBySide, [&](int i) {
    return house.send("POST", "/api/v1/users/user/settings/update", ann.token, {{fmt::format("member{}", i), i}}).status;
  });
  EXPECT_EQ(house.send("GET", "/api/v1/users/user/settings", ann.token).body.as_object().size(), 64u);

  const std::pair<const char*, json::value> members[] = {{"ENABLE_SIGNUP", true}, {"DEFAULT_USER_ROLE", "user"}, {"JWT_EXPIRES_IN", "2w"},
                                                         {"SHOW_ADMIN_DETAILS", false}};
  const json::object before = house.send("GET", "/api/v1/auths/admin/config", ann.token).body.as_object();
  side_by_side(kSideBySide, [&](int i) {
    json::object config = before;
    const auto& [name, value] = members[i % 4];
    config[name] = value;
    return house.send("POST", "/api/v1/auths/admin/config", ann.token, config).status;
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM config"), 1);
  EXPECT_EQ(house.send("GET", "/api/v1/auths/admin/config", ann.token).status, 200);
}

TEST_P(SideBySide, SettingsWithARevisionAreSavedByOne) {
  const Person ann = house.sign_up("ann@example.org");
  for (const char* path : {"/api/v1/admin/scheduling", "/api/v1/admin/result-cache"})
    for (int time = 0; time < 2; ++time) {
      const json::value rules = house.send("GET", path, ann.token).body;
      EXPECT_EQ(statuses([&](int) { return house.send("PUT", path, ann.token, rules); }), (std::map<int, int>{{200, 1}, {409, 63}})) << path;
    }
}

TEST_P(SideBySide, UpstreamAccountsStayWithinTheirNumberAndChangeByRevision) {
  const Person ann = house.sign_up("ann@example.org");
  const std::string path = "/api/v1/admin/upstream-accounts";
  const json::object body{{"name", "one"}, {"base_url", "https://queue.example"}, {"key", "k"}};
  constexpr int kMost = 1'000, kRoom = 10;
  house.write([&](db::Tx& tx) {
    for (int i = 0; i < kMost - kRoom; ++i) {
      tasks::UpstreamAccount account;
      account.account = {fmt::format("account{}", i), "flux", "https://queue.example", "k", {}};
      house.accounts.save(tx, account, now());
    }
  });
  EXPECT_EQ(statuses([&](int) { return house.send("POST", path, ann.token, body); }), (std::map<int, int>{{201, kRoom}, {409, 64 - kRoom}}));
  const std::string id = house.read([](db::Tx& tx) {
    return tx.first("SELECT id FROM fg_upstream_account LIMIT 1", {}, [](const db::Row& row) { return row.str(0); }).value();
  });
  EXPECT_EQ(statuses([&](int i) { return house.send("PUT", path + "/" + id, ann.token, {{"rev", 1}, {"weight", i + 1}}); }),
            (std::map<int, int>{{200, 1}, {409, 63}}));
  side_by_side(kSideBySide, [&](int) {
    house.write([&, alert = new_id()](db::Tx& tx) { house.accounts.take_out(tx, id, "no balance", alert, now()); });
    return 0;
  });
  EXPECT_EQ(house.number("SELECT rev FROM fg_upstream_account WHERE id = $1", {id}), 3) << "it is taken out once";
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_alert"), 1);
  EXPECT_EQ(yes([&](int) { return house.send("DELETE", path + "/" + id, ann.token).status == 204; }), 1);
  const auto saved = statuses([&](int i) {
    return house.send("POST", "/api/v1/flux/config", ann.token, {{"api_key", "a-key"}, {"timeout", 100 + i}, {"default_model", kModel}});
  });
  EXPECT_EQ(saved, (std::map<int, int>{{200, 64}}));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_upstream_account WHERE id = 'flux-default'"), 1);
}

TEST_P(SideBySide, AnAlertIsOpenOnceAndCounted) {
  house.sign_up("ann@example.org");
  const auto raise = [&](int i) {
    return house.write([&, id = new_id()](db::Tx& tx) {
      return notify::raise(tx, id, "account_out", i % 2 == 0 ? "a" : "b", {"It is out.", "已停用。"}, now());
    });
  };
  EXPECT_EQ(yes(raise), 2);
  EXPECT_EQ(house.number("SELECT SUM(count) FROM fg_alert"), 64) << "each of them is told";
  EXPECT_EQ(yes([&](int) { return house.write([&](db::Tx& tx) { return notify::resolve(tx, "account_out", "a", now()); }); }), 1);
}

// ---- money and tasks ----

TEST_P(SideBySide, CreditsAreMovedByEverybodyOnce) {
  const Person admin = house.sign_up("admin@example.org"), bob = house.sign_up("bob@example.org");
  const std::string path = "/api/v1/users/" + bob.id + "/credit";
  EXPECT_EQ(statuses([&](int) { return house.send("PUT", path, admin.token, {{"amount", 7}}); }), (std::map<int, int>{{204, 64}}));
  EXPECT_EQ(house.number("SELECT balance FROM fg_credit_account WHERE user_id = $1", {bob.id}),
            (kOpening + Credits::whole(64 * 7)).in_thousandths());
  EXPECT_EQ(statuses([&](int) { return house.send("PUT", path, admin.token, {{"amount", -100}}); }).at(204), 14) << "of 1448";
  statuses([&](int i) { return house.send("PUT", path, admin.token, {{"credit", i}}); });
}

TEST_P(SideBySide, SubmitsNeverSpendMoreThanThereIs) {
  const Person admin = house.sign_up("admin@example.org"), bob = house.sign_up("bob@example.org");
  const auto price = house.send("POST", kTextToImage, admin.token, picture("what does it cost")).body.at("cost").at("quote").to_number<double>();
  house.send("PUT", "/api/v1/users/" + bob.id + "/credit", admin.token, {{"credit", price * 10.5}});
  EXPECT_EQ(statuses([&](int i) { return house.send("POST", kTextToImage, bob.token, picture(fmt::format("{}", i))); }),
            (std::map<int, int>{{200, 10}, {402, 54}}));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task WHERE user_id = $1", {bob.id}), 10);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_event WHERE user_id = $1 AND type = 'task.updated'", {bob.id}), 10);
}

TEST_P(SideBySide, OneIdempotencyKeyIsOneTaskOrOneBatch) {
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

TEST_P(SideBySide, ALimitOfUnfinishedTasksHolds) {
  const Person admin = house.sign_up("admin@example.org"), bob = house.sign_up("bob@example.org");
  json::object rules = house.send("GET", "/api/v1/admin/scheduling", admin.token).body.as_object();
  rules["users"] = json::object{{bob.id, json::object{{"pending", 9}}}};
  ASSERT_EQ(house.send("PUT", "/api/v1/admin/scheduling", admin.token, rules).status, 200);
  EXPECT_EQ(statuses([&](int i) { return house.send("POST", kTextToImage, bob.token, picture(fmt::format("{}", i))); }),
            (std::map<int, int>{{200, 9}, {429, 55}}));
}

TEST_P(SideBySide, ATaskIsCancelledOnceAndItsHoldReleasedOnce) {
  const Person ann = house.sign_up("ann@example.org");
  const auto id = submitted(ann, 1).front();
  EXPECT_EQ(statuses([&](int) { return house.send("DELETE", "/api/v1/flux/task/" + id, ann.token); }), (std::map<int, int>{{200, 64}}));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_credit_entry WHERE task_id = $1 AND kind = 'release'", {id}), 1);
  EXPECT_EQ(house.number("SELECT held FROM fg_credit_account"), 0);
}

TEST_P(SideBySide, ClaimsTakeEachTaskOnceAndKeepTheLimits) {
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

TEST_P(SideBySide, ClaimsAndCancelsNeverHaveTheSameTask) {
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

TEST_P(SideBySide, AClaimPassesOverATaskThatIsJustBeingCancelled) {
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

TEST_P(SideBySide, EachTransitionIsMadeOnce) {
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

TEST_P(SideBySide, DifferentEndsOfOneTaskExcludeEachOther) {
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

TEST_P(SideBySide, WhatRunsIsAskedToStopAndWhatIsGivenBackIsFree) {
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

TEST_P(SideBySide, AttemptsAndFilesOfOneTaskAreAllKept) {
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

TEST_P(SideBySide, ABatchEndsOnceWithItsLastTaskWhoeverThatIs) {
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

TEST_P(SideBySide, ABatchIsCancelledWholeWhileItIsClaimed) {
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

TEST_P(SideBySide, TasksOfADeadNodeAreTakenOverOnce) {
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

TEST_P(SideBySide, ATaskThatItsOwnerJustEndedIsNotTakenOver) {
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

// ---- what is counted and kept ----

TEST_P(SideBySide, EventsAreNumberedWithoutGaps) {
  const Person ann = house.sign_up("ann@example.org");
  const auto before = house.number("SELECT COALESCE(MAX(seq), 0) FROM fg_event");
  side_by_side(kSideBySide, [&](int i) {
    house.write([&](db::Tx& tx) { notify::append(tx, ann.id, "test", {{"n", i}}, now()); });
    return 0;
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_event WHERE seq > $1", {before}), 64);
  EXPECT_EQ(house.number("SELECT MAX(seq) FROM fg_event"), before + 64) << "a number is one event's only, by the key";
}

TEST_P(SideBySide, DurationsOfAllNodesAreCounted) {
  side_by_side(kSideBySide, [&](int i) {
    house.write([&](db::Tx& tx) { tasks::add_durations(tx, kModel, "", {1'000 + i}, now()); });
    return 0;
  });
  EXPECT_EQ(house.number("SELECT samples FROM fg_model_stat"), 64);
  const auto kept = house.read([](db::Tx& tx) {
    return tx.first("SELECT recent FROM fg_model_stat", {}, [](const db::Row& row) { return json::parse(row.text(0)).as_array().size(); });
  });
  EXPECT_EQ(kept, tasks::kDurationsKept);
}

TEST_P(SideBySide, FilesAndLeasesAndTidyingAndTheSchemaGetAlong) {
  const Person ann = house.sign_up("ann@example.org");
  submitted(ann, 20);
  side_by_side(kSideBySide, [&](int i) {
    house.write([&, id = new_id()](db::Tx& tx) {
      house.files->insert(tx, {.id = id, .user_id = ann.id, .filename = "in.png", .key = "k", .source_type = "upload", .created_at = now()}, {});
    });
    house.write([&](db::Tx& tx) { tasks::store::renew_lease(tx, fmt::format("node{}", i), 10'000, now()); });
    house.write([&](db::Tx& tx) { app::forget_what_is_old(tx, now() + 2 * app::kEventsKept); });
    if (i % 8 == 0) house.write([&](db::Tx& tx) { db::create_missing(tx, now()); });
    house.run(house.identity->flush_activity());
    return 0;
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM generated_files"), 64);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_event"), 0);
}

TEST_P(SideBySide, UnfinishedUploadsHaveTheirLimit) {
  const Person ann = house.sign_up("ann@example.org");
  const auto begin = [&](int) { return house.run(house.uploads->create(ann.id, files::Purpose::audio_upload, "a.mp3", 100)).has_value(); };
  EXPECT_EQ(yes(begin), 64);
  EXPECT_EQ(yes(begin), 36);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_upload"), 100);
}

TEST_P(SideBySide, AWholeUploadBecomesOneFile) {
  const Person ann = house.sign_up("ann@example.org");
  const std::string sound = a_sound();
  const auto upload = house.run(house.uploads->create(ann.id, files::Purpose::audio_upload, "a.mp3", sound.size()));
  ASSERT_TRUE(upload);
  {
    const auto adding = house.run(house.uploads->add(upload->id, ann.id, 0));
    ASSERT_TRUE(adding && (*adding)->write(sound));
    ASSERT_TRUE(house.run((*adding)->finish(false))) << "all bytes came, then the line broke";
  }
  EXPECT_EQ(yes([&](int) { return house.run(house.uploads->find(upload->id, ann.id)).has_value(); }), 64);
  EXPECT_TRUE(house.run(house.uploads->find(upload->id, ann.id))->file);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM generated_files"), 1);
  EXPECT_EQ(yes([&](int) { return house.run(house.uploads->remove(upload->id, ann.id)).has_value(); }), 1);
}

TEST_P(SideBySide, PartsAreJoinedOnce) {
  const Person ann = house.sign_up("ann@example.org");
  const std::string sound = a_sound();
  std::vector<std::string> ids;
  for (const auto& bytes : {sound.substr(0, 1000), sound.substr(1000)}) {
    const auto part = house.run(house.uploads->create(ann.id, files::Purpose::media_upload, "", bytes.size(), "partial"));
    ASSERT_TRUE(part);
    const auto adding = house.run(house.uploads->add(part->id, ann.id, 0));
    ASSERT_TRUE(adding && (*adding)->write(bytes) && house.run((*adding)->finish(true)));
    ids.push_back(part->id);
  }
  const auto join = [&](int) {
    return house.run(house.uploads->concatenate(ann.id, files::Purpose::audio_upload, "a.mp3", ids, "final;…")).has_value();
  };
  EXPECT_EQ(yes(join), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM generated_files"), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_upload"), 1);
}

TEST_P(SideBySide, ADirectUploadBecomesOneFile) {
  const Person ann = house.sign_up("ann@example.org");
  const std::string sound = a_sound();
  const auto direct = house.run(house.uploads->begin_direct(ann.id, files::Purpose::audio_upload, "a.mp3", sound.size(), "audio/mpeg"));
  ASSERT_TRUE(direct);
  house.direct->put_by_client(direct->request, sound);
  EXPECT_EQ(yes([&](int) { return house.run(house.uploads->complete_direct(direct->upload.id, ann.id, "")).has_value(); }), 64);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM generated_files"), 1);
  EXPECT_TRUE(house.direct->is_empty());
  EXPECT_EQ(yes([&](int) { return house.run(house.uploads->remove(direct->upload.id, ann.id)).has_value(); }), 1);
}

// A tenth of all statements fail: whoever hears so has changed nothing, whoever hears of success has.
TEST_P(SideBySide, FailuresAmongTheOthersAreTheirOwn) {
  const Person ann = house.sign_up("ann@example.org");
  house.database.fail_by_chance(20);
  std::atomic<int> grants = 0, tasks = 0;
  side_by_side(kSideBySide, [&](int i) {
    for (int k = 0; k < 10; ++k) {
      const auto stamp = credits::make_stamp(now());
      try {
        if (house.write([&](db::Tx& tx) { return credits::grant(tx, ann.id, Credits::whole(1), "admin", "test", stamp); })) ++grants;
      } catch (const db::Failure&) {
      }
      if (house.send("POST", kTextToImage, ann.token, picture(fmt::format("{} {}", i, k))).status == 200) ++tasks;
    }
    return 0;
  });
  house.database.fail_by_chance(0);
  EXPECT_GT(house.database.failures(), 0);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task"), tasks);
  EXPECT_EQ(house.number("SELECT balance FROM fg_credit_account"), (kOpening + Credits::whole(grants)).in_thousandths());
}

INSTANTIATE_TEST_SUITE_P(Engines, SideBySide, testing::Values(db::Dialect::sqlite, db::Dialect::postgresql),
                         [](const auto& engine) { return engine.param == db::Dialect::sqlite ? "sqlite" : "postgresql"; });

}  // namespace
}  // namespace fluxgate::closures

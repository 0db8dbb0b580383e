// What grows with the years, on both engines: usage is counted and rolled up right, retention takes what it should and
// nothing else, the books stay in order.
#include <algorithm>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <zlib.h>

#include "app/upkeep.h"
#include "base/ids.h"
#include "house.h"
#include "stats/usage.h"
#include "tasks/archive.h"
#include "tasks/queue.h"
#include "tasks/retention.h"
#include "tasks/task_store.h"

namespace fluxgate::closures {
namespace {

namespace json = boost::json;
using tasks::TaskState;

constexpr Millis kDay = 86'400'000;

class Upkeep : public testing::TestWithParam<db::Dialect> {
 protected:
  Upkeep() : folder(std::filesystem::temp_directory_path() / ("fluxgate-archive-" + new_id())) {}
  ~Upkeep() override { std::filesystem::remove_all(folder); }
  void TearDown() override { EXPECT_EQ(house.audit(), ""); }

  Millis now() const { return house.clock.now_ms(); }
  std::string submitted(const Person& person) {
    const auto answer = house.send("POST", "/api/v1/flux/text-to-image", person.token, {{"model", kModel}, {"prompt", "a boat"}});
    EXPECT_EQ(answer.status, 200) << json::serialize(answer.body);
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
  void keep(int days, std::int64_t number, bool archive = false) {
    house.write([&](db::Tx& tx) {
      const auto stored = tasks::load_retention(tx);
      EXPECT_TRUE(tasks::save_retention(tx, {days, number, archive, stored.rev}, now()));
    });
  }
  // Everything that is due.
  void retire() {
    files::WorkPool pool(1, 1);
    std::string user;
    const app::UpkeepParts parts{house.database, *house.identity, house.clock, "node", folder};
    while (house.run(app::retire_some(parts, pool, user))) {
    }
  }
  bool is_there(const std::string& id) { return house.number("SELECT COUNT(*) FROM fg_task WHERE id = $1", {id}) == 1; }
  std::vector<json::object> archived() {
    std::vector<json::object> lines;
    if (!std::filesystem::exists(folder)) return lines;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      EXPECT_EQ(entry.path().extension(), ".gz") << "nothing half-written";
      gzFile file = gzopen(entry.path().c_str(), "rb");
      std::string text(1 << 20, '\0');
      text.resize(static_cast<std::size_t>(std::max(0, gzread(file, text.data(), static_cast<unsigned>(text.size())))));
      EXPECT_EQ(gzclose(file), Z_OK);
      std::istringstream in(text);
      for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line).as_object());
    }
    return lines;
  }
  std::vector<stats::Usage> asked(stats::Question question) {
    if (question.to == 0) question.to = now() + kDay;
    return house.read([&](db::Tx& tx) { return stats::usage(tx, question, 1'000); });
  }

  House house{GetParam()};
  std::filesystem::path folder;
};

// ---- usage ----

TEST_P(Upkeep, UsageIsCountedWhenATaskEnds) {
  const Person ann = house.sign_up("ann@example.org"), bob = house.sign_up("bob@example.org");
  ended(ann, TaskState::succeeded, 3);
  ended(ann, TaskState::failed);
  ended(bob, TaskState::cancelled);
  submitted(ann);
  const auto own = asked({.user_id = ann.id});
  ASSERT_EQ(own.size(), 1u);
  EXPECT_EQ(own[0].succeeded, 1);
  EXPECT_EQ(own[0].failed, 1);
  EXPECT_EQ(own[0].cancelled, 0);
  EXPECT_EQ(own[0].images, 3);
  EXPECT_EQ(own[0].charged.in_thousandths(), house.number("SELECT charged FROM fg_task WHERE status = 'succeeded'"));
  const auto by_user = asked({.by = stats::By::user});
  ASSERT_EQ(by_user.size(), 2u);
  EXPECT_EQ(by_user[0].key, ann.id) << "the dearest first";
  EXPECT_EQ(by_user[1].cancelled, 1);
  const auto by_model = asked({.by = stats::By::model});
  ASSERT_EQ(by_model.size(), 1u);
  EXPECT_EQ(by_model[0].key, kModel);
  EXPECT_EQ(by_model[0].failed, 1);
}

TEST_P(Upkeep, TheSumsOfAllAreTheSameRolledUpOrNot) {
  const Person ann = house.sign_up("ann@example.org"), bob = house.sign_up("bob@example.org");
  const Millis first = now() / stats::kHour * stats::kHour;
  for (int hour = 0; hour < 4; ++hour) {
    for (int i = 0; i <= hour; ++i) ended(i % 2 ? ann : bob, i == 2 ? TaskState::failed : TaskState::succeeded);
    house.clock.advance(stats::kHour);
  }
  const auto hours = [&] {
    std::vector<std::tuple<Millis, std::int64_t, std::int64_t>> rows;
    for (const auto& row : asked({.step = stats::Step::hour})) rows.emplace_back((row.at - first) / stats::kHour, row.succeeded, row.failed);
    return rows;
  };
  const std::vector<std::tuple<Millis, std::int64_t, std::int64_t>> expected{{0, 1, 0}, {1, 2, 0}, {2, 2, 1}, {3, 3, 1}};
  EXPECT_EQ(hours(), expected);
  const auto roll_up = [&] { return house.write([&](db::Tx& tx) { return stats::roll_up(tx, now()); }); };
  // The last hour is over, and has not settled: on one side of the limit it waits, on the other it is done.
  const Millis over = first + 4 * stats::kHour;
  house.clock.advance(over + stats::kSettles - 1 - now());
  while (roll_up()) {
  }
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_usage_total"), 3);
  EXPECT_EQ(hours(), expected);
  house.clock.advance(1);
  while (roll_up()) {
  }
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_usage_total"), 4);
  EXPECT_EQ(hours(), expected);
  // Who came late is seen at once, and is in the sums when the next hour is done.
  house.write([&](db::Tx& tx) { stats::count(tx, {ann.id, "flux", kModel, stats::Outcome::failed, 0, Credits{}, over - 1}); });
  auto with_late = expected;
  std::get<2>(with_late.back()) = 2;
  EXPECT_EQ(hours(), with_late);
  ended(ann);
  house.clock.advance(2 * stats::kHour);
  EXPECT_TRUE(roll_up());
  with_late.emplace_back(4, 1, 0);
  EXPECT_EQ(hours(), with_late);
  EXPECT_EQ(house.number("SELECT failed FROM fg_usage_total WHERE hour = $1", {over - stats::kHour}), 2);
}

TEST_P(Upkeep, DaysBeginWhereTheCallerLives) {
  const Person ann = house.sign_up("ann@example.org");
  house.clock.advance(kDay - now() % kDay + 17 * stats::kHour);  // 17:00 UTC is 01:00 of the next day in Shanghai
  ended(ann);
  const Millis midnight = now() - now() % kDay;
  EXPECT_EQ(asked({.step = stats::Step::day, .user_id = ann.id}).at(0).at, midnight);
  EXPECT_EQ(asked({.step = stats::Step::day, .utc_offset = 8 * stats::kHour, .user_id = ann.id}).at(0).at, midnight + 16 * stats::kHour);
  EXPECT_EQ(asked({.step = stats::Step::day, .utc_offset = 8 * stats::kHour}).at(0).at, midnight + 16 * stats::kHour);
}

TEST_P(Upkeep, TasksThatWereTakenOverAreCountedOnce) {
  const Person ann = house.sign_up("ann@example.org");
  ended(ann);
  ended(ann, TaskState::failed);
  const auto before = asked({.user_id = ann.id}).at(0);
  EXPECT_FALSE(house.read(stats::needs_stock));
  house.write([](db::Tx& tx) { tx.exec("DELETE FROM fg_usage_hourly"); });
  EXPECT_TRUE(house.read(stats::needs_stock));
  // What was rolled up without them, is no longer right.
  house.write([&](db::Tx& tx) {
    tx.exec("INSERT INTO fg_usage_total (hour, provider, model, succeeded, failed, cancelled, images, charged) "
            "VALUES ($1, 'flux', 'm', 1, 0, 0, 1, 1)", {now() / stats::kHour * stats::kHour + stats::kHour});
  });
  for (int time = 0; time < 2; ++time) {
    house.write(stats::take_stock);
    EXPECT_FALSE(house.read(stats::needs_stock));
    for (const std::string& user : {ann.id, std::string()}) {
      const auto after = asked({.user_id = user}).at(0);
      EXPECT_EQ(std::tie(after.succeeded, after.failed, after.images), std::tie(before.succeeded, before.failed, before.images));
      EXPECT_EQ(after.charged, before.charged);
    }
  }
}

// ---- retention ----

TEST_P(Upkeep, WhatIsOlderThanItsDaysGoes) {
  const Person ann = house.sign_up("ann@example.org");
  const auto old = ended(ann);
  const auto unfinished = submitted(ann);
  house.write([&](db::Tx& tx) { EXPECT_EQ(tasks::claim(tx, {"flux", "node", now(), 1, {{"environment", 1, 1'000}}}).size(), 1u); });
  house.clock.advance(1);
  const auto young = ended(ann, TaskState::failed);
  retire();
  EXPECT_TRUE(is_there(old)) << "without rules everything stays";
  keep(30, 0);
  house.clock.advance(30 * kDay);  // `young` is exactly as old as may be
  retire();
  EXPECT_FALSE(is_there(old));
  EXPECT_TRUE(is_there(young));
  EXPECT_TRUE(is_there(unfinished)) << "what has not ended is never touched";
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task_file"), 0);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task_attempt"), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_credit_entry WHERE task_id = $1", {old}), 2) << "the ledger keeps all";
  EXPECT_EQ(asked({.user_id = ann.id}).at(0).succeeded, 1) << "and so does usage";
  const auto again = house.send("POST", "/api/v1/auths/signin", "", {{"email", ann.email}, {"password", kPassword}});
  EXPECT_EQ(house.send("GET", "/api/v1/flux/history", std::string(again.body.at("token").as_string())).body.at("total"), 2);
  EXPECT_TRUE(archived().empty());
  house.clock.advance(1);
  retire();
  EXPECT_FALSE(is_there(young));
}

TEST_P(Upkeep, WhatIsBeyondTheNumberGoesOldestFirst) {
  const Person ann = house.sign_up("ann@example.org"), bob = house.sign_up("bob@example.org");
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(ended(ann, i % 2 ? TaskState::failed : TaskState::succeeded));
    house.clock.advance(1);
  }
  const auto others = ended(bob);
  keep(0, 3);
  house.clock.advance(kDay - 4);
  retire();
  EXPECT_TRUE(is_there(ids[0])) << "younger than a day";
  house.clock.advance(2);
  retire();
  EXPECT_FALSE(is_there(ids[0]));
  EXPECT_TRUE(is_there(ids[1])) << "three may stay";
  EXPECT_TRUE(is_there(others));
}

TEST_P(Upkeep, ManyGoInPartsAndEachIsArchivedWithAllThatBelongsToIt) {
  const Person ann = house.sign_up("ann@example.org"), bob = house.sign_up("bob@example.org");
  std::set<std::string> ids;
  for (int i = 0; i < 75; ++i) {
    ids.insert(ended(ann, i % 3 ? TaskState::cancelled : TaskState::succeeded, 2));
    ids.insert(ended(bob, TaskState::failed));
  }
  keep(1, 0, true);
  house.clock.advance(kDay + 1);
  retire();
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_task"), 0);
  EXPECT_EQ(house.number("SELECT COALESCE(SUM(n), 0) FROM fg_user_counter"), 0);
  const auto lines = archived();
  std::set<std::string> kept;
  for (const auto& line : lines) {
    const auto& task = line.at("task").as_object();
    kept.emplace(task.at("id").as_string());
    EXPECT_EQ(line.at("files").as_array().size(), task.at("status") == "succeeded" ? 2u : 0u);
    EXPECT_EQ(line.at("attempts").as_array().size(), 1u);
    EXPECT_EQ(task.at("prompt"), "a boat");
  }
  EXPECT_EQ(kept, ids);
  EXPECT_EQ(lines.size(), ids.size()) << "each once";
}

TEST_P(Upkeep, WhatCannotBeArchivedStays) {
  const Person ann = house.sign_up("ann@example.org");
  const auto id = ended(ann);
  keep(1, 0, true);
  house.clock.advance(kDay + 1);
  std::filesystem::create_directories(folder.parent_path());
  std::ofstream(folder) << "a file where the folder should be";
  retire();
  EXPECT_TRUE(is_there(id));
  std::filesystem::remove(folder);
  retire();
  EXPECT_FALSE(is_there(id));
  EXPECT_EQ(archived().size(), 1u);
}

TEST_P(Upkeep, ABatchGoesWithItsLastTask) {
  const Person ann = house.sign_up("ann@example.org");
  const json::object item{{"model", kModel}, {"prompt", "a boat"}};
  const auto batch = house.send("POST", "/api/v1/batches", ann.token, {{"requests", json::array{item, item}}});
  ASSERT_EQ(batch.status, 200) << json::serialize(batch.body);
  const auto ids = house.read([](db::Tx& tx) { return tx.all("SELECT id FROM fg_task ORDER BY id", {}, [](const db::Row& row) { return row.str(0); }); });
  for (const auto& id : ids) EXPECT_EQ(house.send("DELETE", "/api/v1/flux/task/" + id, ann.token).status, 200);
  const auto remove = [&](const std::string& id) { return house.write([&](db::Tx& tx) { return tasks::remove(tx, ann.id, {id}, now()); }); };
  EXPECT_EQ(remove(ids.at(0)), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_batch"), 1);
  EXPECT_EQ(remove(ids.at(1)), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_batch"), 0);
  EXPECT_EQ(remove(ids.at(1)), 0);
}

TEST_P(Upkeep, OneNodeAtATimeLetsTasksGo) {
  const auto turn = [&](const std::string& node) {
    return house.write([&](db::Tx& tx) { return tasks::take_turn(tx, "job", node, 1'000, now()); });
  };
  const auto taken = side_by_side(kSideBySide, [&](int i) { return static_cast<int>(turn(fmt::format("node{}", i))); });
  EXPECT_EQ(std::ranges::count(taken, 1), 1);
  EXPECT_FALSE(turn("another"));
  house.clock.advance(1'000);
  EXPECT_FALSE(turn("another")) << "until its time is over";
  house.clock.advance(1);
  EXPECT_TRUE(turn("another"));
  EXPECT_TRUE(turn("another")) << "as often as it likes";
}

TEST_P(Upkeep, RemovalSideBySideCountsEachTaskOnce) {
  const Person ann = house.sign_up("ann@example.org");
  std::vector<std::string> ids;
  for (int i = 0; i < 16; ++i) ids.push_back(ended(ann));
  submitted(ann);
  const auto gone = side_by_side(kSideBySide, [&](int i) {
    return house.write([&, from = static_cast<std::size_t>(i % 4) * 4](db::Tx& tx) {
      return tasks::remove(tx, ann.id, {ids.begin() + static_cast<std::ptrdiff_t>(from), ids.begin() + static_cast<std::ptrdiff_t>(from) + 4}, now());
    });
  });
  EXPECT_EQ(std::accumulate(gone.begin(), gone.end(), 0), 16);
  EXPECT_EQ(house.number("SELECT SUM(n) FROM fg_user_counter"), 1);
}

// ---- search ----

TEST_P(Upkeep, ASearchFindsWordsAnywhereAtAnyDepth) {
  const Person ann = house.sign_up("ann@example.org"), bob = house.sign_up("bob@example.org");
  const std::string first = submitted(ann);
  const Millis began = now();
  // History of thousands, as one statement.
  house.write([&](db::Tx& tx) {
    for (int i = 0; i < 2'500; ++i)
      tx.exec("INSERT INTO fg_task (id, user_id, provider, endpoint, model, status, prompt, params, quote, quote_rev, created_at, updated_at, legacy_id) "
              "VALUES ($1, $2, 'flux', 'text_to_image', 'm', 'failed', $3, '{}', 0, 1, $4, $4, $1)",
              {new_id(began + 1 + i), ann.id, fmt::format("{} {}", i == 700 ? "A 50%_off Lighthouse, 灯塔" : "a crane", i), began + 1 + i});
    tx.exec("INSERT INTO fg_user_counter (user_id, provider, status, n) VALUES ($1, 'flux', 'failed', 2500)", {ann.id});
  });
  const auto search = [&](const std::string& query, const Person& person) {
    std::pair<std::vector<std::string>, int> found;  // ids, pages
    std::string cursor;
    do {
      const auto answer = house.read([&](db::Tx& tx) {
        tasks::HistoryQuery asked{.user_id = person.id, .provider = "flux", .cursor = cursor, .words = {}};
        std::istringstream words(query);
        for (std::string word; words >> word;) asked.words.push_back(word);
        return tasks::store::history(tx, asked);
      });
      for (const auto& task : answer.tasks) found.first.push_back(task.id);
      ++found.second;
      cursor = answer.next_cursor;
    } while (!cursor.empty());
    return found;
  };
  for (const char* words : {"lighthouse", "LIGHT house", "灯塔", "50%_off", "a 灯 light %_"}) {
    const auto [ids, pages] = search(words, ann);
    EXPECT_EQ(ids.size(), 1u) << words;
    EXPECT_EQ(pages, 3) << "1 000 are looked through at a time";
  }
  EXPECT_TRUE(search("5_%_off", ann).first.empty()) << "signs of patterns are signs";
  EXPECT_EQ(search("boat", ann).first, std::vector{first});
  EXPECT_TRUE(search("lighthouse", bob).first.empty());
  const auto within = [&](Millis from, Millis to) {
    return house.read([&](db::Tx& tx) {
      return tasks::store::history(tx, {.user_id = ann.id, .provider = "flux", .limit = 100, .from = from, .to = to}).tasks.size();
    });
  };
  EXPECT_EQ(within(began + 11, began + 21), 10u) << "from is in, to is not";
  EXPECT_EQ(within(began + 2'500, 0), 1u);
  EXPECT_EQ(within(began + 2'501, 0), 0u);
}

INSTANTIATE_TEST_SUITE_P(Engines, Upkeep, testing::Values(db::Dialect::sqlite, db::Dialect::postgresql),
                         [](const auto& engine) { return engine.param == db::Dialect::sqlite ? "sqlite" : "postgresql"; });

}  // namespace
}  // namespace fluxgate::closures

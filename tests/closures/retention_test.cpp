// Retention takes what it should and nothing else, on both engines; the books stay in order.
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
#include "old_tasks.h"
#include "tasks/archive.h"
#include "tasks/retention.h"

namespace fluxgate::closures {
namespace {

namespace json = boost::json;

class Retention : public OldTasks {
 protected:
  ~Retention() override { std::filesystem::remove_all(folder); }

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
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / ("fluxgate-archive-" + new_id());
};

TEST_P(Retention, WhatIsOlderThanItsDaysGoes) {
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

TEST_P(Retention, WhatIsBeyondTheNumberGoesOldestFirst) {
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

TEST_P(Retention, ManyGoInPartsAndEachIsArchivedWithAllThatBelongsToIt) {
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

TEST_P(Retention, WhatCannotBeArchivedStays) {
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

TEST_P(Retention, ABatchGoesWithItsLastTask) {
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

TEST_P(Retention, OneNodeAtATimeLetsTasksGo) {
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

TEST_P(Retention, TheFilesOfAClosedAccountGoAlsoThoseThatItsTasksStillDeliver) {
  const Person boss = house.sign_up("boss@example.org"), carl = house.sign_up("carl@example.org");
  ended(boss);
  const std::string id = ended(carl, TaskState::succeeded, 2);
  ASSERT_EQ(house.upload("/api/v1/kling-lip-sync/upload-audio", carl.token, "audio", "a.mp3", a_sound()).status, 200);
  const auto kept_by = [&](const Person& person) {
    return house.number("SELECT COUNT(*) FROM generated_files WHERE user_id = $1 AND status = 'uploaded'", {person.id});
  };
  const auto tidied = [&] { return house.run(app::delete_outdated(house.database, now())); };
  EXPECT_EQ(tidied(), 0);
  ASSERT_EQ(kept_by(carl), 3);
  ASSERT_EQ(house.send("DELETE", "/api/v1/users/" + carl.id, boss.token).status, 200);
  EXPECT_EQ(tidied(), 3);
  EXPECT_EQ(kept_by(carl), 0);
  EXPECT_EQ(house.number("SELECT bytes FROM fg_file_usage WHERE user_id = $1 AND source_type = ''", {carl.id}), 0);
  EXPECT_TRUE(is_there(id)) << "tasks stay";
  const auto usage = house.send("GET", "/api/v1/admin/files/usage", boss.token).body;
  EXPECT_EQ(usage.at("users").as_array().size(), 1u) << json::serialize(usage);
  // What was just being stored.
  house.write([&](db::Tx& tx) {
    house.files->insert(tx, {.id = "late", .user_id = carl.id, .filename = "late.mp3", .source_type = "upload", .created_at = now()},
                        {.key = fmt::format("11/11/{}.mp3", std::string(64, '1')), .size = 3, .mime = "audio/mpeg"});
  });
  EXPECT_EQ(tidied(), 1);
  EXPECT_EQ(tidied(), 0);
  EXPECT_EQ(kept_by(boss), 1);
}

TEST_P(Retention, RemovalSideBySideCountsEachTaskOnce) {
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

FLUX_ON_BOTH_ENGINES(Retention);

}  // namespace
}  // namespace fluxgate::closures

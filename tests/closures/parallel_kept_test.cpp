// The write closures of what is counted and kept, sixty-four at once, on both engines: it is counted right.
#include "app/upkeep.h"
#include "base/ids.h"
#include "db/schema.h"
#include "files/rows.h"
#include "notify/events.h"
#include "side_by_side.h"
#include "tasks/durations.h"
#include "tasks/task_store.h"

namespace fluxgate::closures {
namespace {

namespace json = boost::json;

using KeptSideBySide = SideBySide;

TEST_P(KeptSideBySide, EventsAreNumberedWithoutGaps) {
  const Person ann = house.sign_up("ann@example.org");
  const auto before = house.number("SELECT COALESCE(MAX(seq), 0) FROM fg_event");
  side_by_side(kSideBySide, [&](int i) {
    house.write([&](db::Tx& tx) { notify::append(tx, ann.id, "test", {{"n", i}}, now()); });
    return 0;
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_event WHERE seq > $1", {before}), 64);
  EXPECT_EQ(house.number("SELECT MAX(seq) FROM fg_event"), before + 64) << "a number is one event's only, by the key";
}

TEST_P(KeptSideBySide, DurationsOfAllNodesAreCounted) {
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

TEST_P(KeptSideBySide, FilesAndLeasesAndTidyingAndTheSchemaGetAlong) {
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

TEST_P(KeptSideBySide, UnfinishedUploadsHaveTheirLimit) {
  const Person ann = house.sign_up("ann@example.org");
  const auto begin = [&](int) { return house.run(house.uploads->create(ann.id, files::Purpose::audio_upload, "a.mp3", 100)).has_value(); };
  EXPECT_EQ(yes(begin), 64);
  EXPECT_EQ(yes(begin), 36);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_upload"), 100);
}

TEST_P(KeptSideBySide, AWholeUploadBecomesOneFile) {
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

TEST_P(KeptSideBySide, PartsAreJoinedOnce) {
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

TEST_P(KeptSideBySide, ADirectUploadBecomesOneFile) {
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
TEST_P(KeptSideBySide, FailuresAmongTheOthersAreTheirOwn) {
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

FLUX_ON_BOTH_ENGINES(KeptSideBySide);

}  // namespace
}  // namespace fluxgate::closures

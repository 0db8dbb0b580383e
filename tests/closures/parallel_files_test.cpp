// The write closures of stored files, sixty-four at once, on both engines: what is kept is counted once, and lies in
// one place.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/ids.h"
#include "files/objects.h"
#include "files/rows.h"
#include "files/rules.h"
#include "files/stock.h"
#include "files/store_table.h"
#include "side_by_side.h"
#include "tasks/task_store.h"

namespace fluxgate::closures {
namespace {

using FilesSideBySide = SideBySide;

TEST_P(FilesSideBySide, TheSameBytesAreOneObjectHoweverManyKeepThem) {
  const Person ann = house.sign_up("ann@example.org"), bob = house.sign_up("bob@example.org");
  const auto keep = [&](int i) {
    const std::string& user = i % 2 == 0 ? ann.id : bob.id;
    return house.write([&, id = fmt::format("file {}", i)](db::Tx& tx) {
      house.files->insert(tx, {.id = id, .user_id = user, .filename = "a.png", .source_type = "upload", .created_at = now()},
                          {.key = "one", .size = 7, .mime = "image/png"});
      return 1;
    });
  };
  EXPECT_EQ(yes(keep), 64);
  EXPECT_EQ(house.number("SELECT refs FROM fg_file_object"), 64);
  EXPECT_EQ(house.number("SELECT bytes FROM fg_file_usage WHERE user_id = $1 AND source_type = ''", {bob.id}), 32 * 7);
  // Each is removed by two at once, and counted once.
  EXPECT_EQ(yes([&](int i) {
    return house.write([&](db::Tx& tx) { return files::remove_row(tx, fmt::format("file {}", i / 2), "", now()); });
  }), 32);
  EXPECT_EQ(house.number("SELECT refs FROM fg_file_object"), 32);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_file_object WHERE next_at IS NOT NULL"), 0);
  EXPECT_EQ(yes([&](int i) {
    return house.write([&](db::Tx& tx) { return files::remove_row(tx, fmt::format("file {}", 32 + i / 2), "", now()); });
  }), 32);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_file_object WHERE refs = 0 AND next_at = $1", {now() + 3'600'000}), 1);
}

// No object stands behind it that the others would wait for.
TEST_P(FilesSideBySide, APictureKnownByItsLinkIsRemovedOnce) {
  const Person ann = house.sign_up("ann@example.org");
  house.write([&](db::Tx& tx) {
    tx.exec("INSERT INTO generated_files (id, user_id, filename, file_type, file_size, storage_provider, cloud_url, source_type, "
            "status, created_at, updated_at) VALUES ('linked', $1, 'a.png', 'image', 5, 'link', 'https://there.example/a.png', "
            "'flux', 'uploaded', $2, $3)",
            {ann.id, files::sql_time(now()), files::sql_time(now())});
    files::take_stock(tx);
  });
  EXPECT_EQ(yes([&](int) { return house.write([&](db::Tx& tx) { return files::remove_row(tx, "linked", ann.id, now()); }); }), 1);
  EXPECT_EQ(house.number("SELECT COALESCE(SUM(files), 0) FROM fg_file_usage"), 0);
}

TEST_P(FilesSideBySide, AQuotaLetsInWhatFitsAndNotOneMore) {
  const Person ann = house.sign_up("ann@example.org");
  house.write([&](db::Tx& tx) { return files::save_rules(tx, {.user_bytes = 100}, now()); });
  EXPECT_EQ(yes([&](int i) {
    return house.write([&, id = new_id()](db::Tx& tx) -> Result<void> {
      FLUX_CHECK(files::check_room(tx, ann.id, 10));
      house.files->insert(tx, {.id = id, .user_id = ann.id, .filename = "a.png", .source_type = "upload", .created_at = now()},
                          {.key = fmt::format("k{}", i), .size = 10, .mime = "image/png"});
      return {};
    }).has_value();
  }), 10);
  EXPECT_EQ(house.number("SELECT bytes FROM fg_file_usage WHERE source_type = ''"), 100);
  EXPECT_EQ(house.send("POST", "/api/v1/flux/text-to-image", ann.token, {{"model", kModel}, {"prompt", "no room"}}).status, 422);
  EXPECT_EQ(house.number("SELECT held FROM fg_credit_account"), 0) << "refused before the hold";
}

TEST_P(FilesSideBySide, AnObjectIsMovedByOneNodeWhileFilesComeAndGo) {
  const Person ann = house.sign_up("ann@example.org");
  const auto keep = [&](const std::string& id, const std::string& key) {
    house.write([&](db::Tx& tx) {
      house.files->insert(tx, {.id = id, .user_id = ann.id, .filename = "a.png", .source_type = "upload", .created_at = now()},
                          {.key = key, .size = 5, .mime = "image/png"});
    });
  };
  const auto key_of = [](int i) { return fmt::format("{0}{0}/{0}{0}/{1}.png", i, std::string(64, static_cast<char>('0' + i))); };
  files::StoreRow store{.id = "store", .provider = "s3", .enabled = true, .bucket = "b"};
  house.write([&](db::Tx& tx) { files::save_store(tx, store); });
  for (int i = 0; i < 8; ++i) keep(fmt::format("first {}", i), key_of(i));
  std::atomic<int> moves = 0;
  side_by_side(kSideBySide, [&](int i) {
    const std::string node = fmt::format("node{}", i), key = key_of(i % 8);
    if (i % 2 == 0) {
      keep(fmt::format("more {}", i), key);
      if (i % 4 == 0) house.write([&](db::Tx& tx) { return files::remove_row(tx, fmt::format("first {}", i % 8), "", now()); });
      return 0;
    }
    house.write([&](db::Tx& tx) { tasks::store::renew_lease(tx, node, 10'000, now()); });
    for (const auto& object : house.write([&](db::Tx& tx) { return files::objects::claim(tx, node, now(), 2); })) {
      if (!object.is_local()) {  // due again because its bytes came again; they would be tidied away
        house.write([&](db::Tx& tx) { files::objects::put_back(tx, node, object.key, std::nullopt); });
        continue;
      }
      const files::objects::Moved to{"store", "s3", "generated/images/" + object.key, "", "etag"};
      if (house.write([&](db::Tx& tx) { return files::objects::moved(tx, node, object, to, now()); })) ++moves;
    }
    return 0;
  });
  EXPECT_EQ(moves, house.number("SELECT COUNT(*) FROM fg_file_object WHERE place = 'store'"));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM generated_files WHERE status = 'uploaded' AND ((local_path IS NULL) = (cloud_path IS NULL))"), 0)
      << "every file is in one place";
}

FLUX_ON_BOTH_ENGINES(FilesSideBySide);

}  // namespace
}  // namespace fluxgate::closures

// Where objects are and what is counted of them: names, rules, stock, the disk's part in removing.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "db/schema.h"
#include "files/blob_store.h"
#include "files/objects.h"
#include "files/retention.h"
#include "files/rows.h"
#include "files/rules.h"
#include "files/stock.h"
#include "files/storage_stats.h"
#include "files/store_table.h"

namespace fluxgate::files {
namespace {

using testing::ElementsAre;

constexpr Millis kDay = 24ll * 3600 * 1000;
constexpr Millis kNow = 1'790'000'000'123;
const std::string kKey = "ab/cd/abcd" + std::string(60, '0') + ".png";

TEST(ObjectNames, EndInTheirKey) {
  const StoreRow store;
  EXPECT_EQ(path_in(store, kKey, "image/png"), "generated/images/" + kKey);
  EXPECT_EQ(path_in(store, kKey, "video/mp4"), "generated/videos/" + kKey);
  EXPECT_EQ(path_in(store, kKey, "audio/mpeg"), "generated/others/" + kKey);
  EXPECT_EQ(key_in("generated/images/" + kKey), kKey);
  EXPECT_EQ(key_in(kKey), kKey);
  for (const char* theirs : {"", "a", "a/b", "generated/images/2025/08/19/user_0a1b2c3d_flux.jpg"})
    EXPECT_EQ(key_in(theirs), theirs) << "imported names stay whole";
}

TEST(ObjectNames, AreReachedAsTheForkWroteThem) {
  StoreRow cos{.provider = "tencent-cos", .region = "ap-guangzhou", .bucket = "studio-1250000000"};
  EXPECT_EQ(public_url(cos, "a/b.png"), "https://studio-1250000000.cos.ap-guangzhou.myqcloud.com/a/b.png");
  cos.domain = "https://img.example.org/";
  EXPECT_EQ(public_url(cos, "a/b.png"), "https://img.example.org/a/b.png");
}

TEST(StoreRules, TakeTypesAndSizesOrLeaveThemHere) {
  StoreRow store;
  EXPECT_TRUE(takes(store, "image/png", store.max_file_size));
  EXPECT_FALSE(takes(store, "image/png", store.max_file_size + 1));
  EXPECT_FALSE(takes(store, "audio/mpeg", 1));
  EXPECT_FALSE(takes(store, "imagery/png", 1));
  store.allowed_types = {"video/mp4"};
  EXPECT_TRUE(takes(store, "video/mp4", 1));
  EXPECT_FALSE(takes(store, "video/webm", 1));
  store.allowed_types = {};
  store.max_file_size = 0;
  EXPECT_TRUE(takes(store, "video/webm", 1ull << 50));
}

class StockTest : public testing::Test {
 protected:
  template <class F>
  auto write(F closure) {
    return database_->write_now(std::move(closure));
  }
  StockTest() : database_(db::open(":memory:")) {
    write([](db::Tx& tx) { db::create_missing(tx, kNow); });
  }
  void keep(const std::string& id, const std::string& key, Millis at = kNow, const std::string& task = "", const std::string& mime = "image/png") {
    write([&](db::Tx& tx) {
      insert_row(tx, {.id = id, .user_id = "ann", .filename = id, .source_type = "flux", .source_task_id = task, .created_at = at},
                 {.key = key, .sha256 = "x", .size = 10, .mime = mime});
    });
  }
  std::vector<std::string> findings() {
    return write([](db::Tx& tx) { return audit(tx); });
  }

  std::unique_ptr<db::Database> database_;
};

TEST_F(StockTest, IsTheSameCountedAnew) {
  keep("a", "k1");
  keep("b", "k1");
  keep("c", "k2", kNow, "task", "video/mp4");
  write([](db::Tx& tx) { return remove_row(tx, "c", "", kNow); });
  EXPECT_THAT(findings(), ElementsAre());
  write([](db::Tx& tx) {
    for (const char* table : {"fg_file_usage", "fg_file_object"}) tx.exec("DELETE FROM " + std::string(table));
    EXPECT_TRUE(needs_stock(tx));
  });
  EXPECT_FALSE(findings().empty());
  for (int twice = 0; twice < 2; ++twice) write([](db::Tx& tx) { take_stock(tx); });
  EXPECT_THAT(findings(), ElementsAre());
  write([](db::Tx& tx) {
    EXPECT_FALSE(needs_stock(tx));
    EXPECT_EQ(objects::find(tx, "k1")->refs, 2);
    EXPECT_EQ(usage_of(tx, "ann").bytes, 20u);
  });
}

TEST_F(StockTest, CountsWhatWasImported) {
  write([](db::Tx& tx) {
    save_store(tx, {.id = "theirs", .bucket = "studio-1250000000"});
    const auto row = [&](const char* id, const char* path, const char* url) {
      tx.exec("INSERT INTO generated_files (id, user_id, filename, file_type, storage_provider, cloud_path, cloud_url, source_type, status, "
              "created_at, updated_at) VALUES ($1, 'ann', 'f', 'image', 'tencent-cos', $2, $3, 'flux', 'uploaded', '2025-08-19 10:00:00', "
              "'2025-08-19 10:00:00')",
              {id, path == nullptr ? db::Param(nullptr) : db::Param(path), url});
    };
    row("in the bucket", "generated/images/2025/08/19/u_1_a.jpg", "https://x/a.jpg");
    row("a link only", nullptr, "https://elsewhere.example/b.jpg");
    take_stock(tx);
  });
  EXPECT_THAT(findings(), ElementsAre());
  write([](db::Tx& tx) {
    const auto file = find_row(tx, "in the bucket", "ann");
    ASSERT_TRUE(file);
    EXPECT_EQ(file->place, "theirs");
    EXPECT_EQ(file->key, file->cloud_path);
    EXPECT_EQ(find_row(tx, "a link only", "ann")->url, "https://elsewhere.example/b.jpg");
    EXPECT_TRUE(remove_row(tx, "a link only", "ann", kNow));
  });
  EXPECT_THAT(findings(), ElementsAre());
}

TEST_F(StockTest, FindsWhatIsWrong) {
  keep("a", "k1");
  for (const char* harm : {"UPDATE fg_file_object SET refs = 2", "UPDATE fg_file_object SET refs = 1, place = 'nowhere'",
                           "UPDATE fg_file_object SET place = 'local', key = 'k9'", "UPDATE fg_file_usage SET bytes = 11 WHERE source_type = ''"}) {
    write([harm](db::Tx& tx) { tx.exec(harm); });
    EXPECT_FALSE(findings().empty()) << harm;
    write([](db::Tx& tx) {
      tx.exec("DELETE FROM fg_file_object");
      take_stock(tx);
    });
    EXPECT_THAT(findings(), ElementsAre()) << harm;
  }
}

TEST_F(StockTest, RetentionFindsWhatIsPastItsAgeByKind) {
  keep("old image", "k1", kNow - 10 * kDay - 1, "t1");
  keep("young image", "k2", kNow - 10 * kDay + 1, "t2");
  keep("old video", "k3", kNow - 10 * kDay - 1, "t3", "video/mp4");
  keep("used upload", "k4", kNow - 10 * kDay - 1);
  keep("unused upload", "k5", kNow - 10 * kDay - 1);
  write([](db::Tx& tx) { note_use(tx, "used upload", "t1"); });
  const auto due = [&](const Retention& rules) {
    return write([&](db::Tx& tx) { return outdated(tx, rules, kNow, 10); });
  };
  EXPECT_THAT(due({}), ElementsAre());
  EXPECT_THAT(due({.result_images = 10}), ElementsAre("old image"));
  EXPECT_THAT(due({.result_videos = 10}), ElementsAre("old video"));
  EXPECT_THAT(due({.uploads = 10}), testing::UnorderedElementsAre("used upload", "unused upload"));
  EXPECT_THAT(due({.unused_uploads = 10}), ElementsAre("unused upload"));
  EXPECT_THAT(due({.result_images = 11, .result_videos = 11, .uploads = 11, .unused_uploads = 11}), ElementsAre());
}

TEST_F(StockTest, AStoreThatHoldsFilesIsNotForgotten) {
  write([](db::Tx& tx) { save_store(tx, {.id = "first", .provider = "s3", .enabled = true, .bucket = "a"}); });
  write([](db::Tx& tx) {
    const std::string key = "11/11/" + std::string(64, '1') + ".png";
    insert_row(tx, {.id = "a", .user_id = "ann", .filename = "a", .source_type = "flux", .created_at = kNow},
               {.key = key, .size = 1, .mime = "image/png", .place = "first", .cloud_path = "p/" + key, .etag = "e"});
    save_store(tx, {.id = "second", .provider = "s3", .enabled = true, .bucket = "b"});
    const auto rows = load_stores(tx);
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].id, "second");
    EXPECT_FALSE(rows[1].enabled);
    EXPECT_TRUE(remove_row(tx, "a", "", kNow));
    EXPECT_TRUE(objects::claim_one(tx, "n", key, kNow));
    EXPECT_TRUE(objects::removed(tx, "n", key, kNow));
    tx.exec("INSERT INTO fg_upload (id, user_id, kind, name, length, direct, stored, created_at, expires_at, place) "
            "VALUES ('u', 'ann', 'any', '', 1, 1, 0, 1, 2, 'first')");
    save_store(tx, rows[0]);
    EXPECT_EQ(load_stores(tx).size(), 2u) << "a client is still putting something into the first";
    tx.exec("DELETE FROM fg_upload");
    save_store(tx, rows[0]);
    EXPECT_EQ(load_stores(tx).size(), 1u) << "nothing lies in the first any more";
  });
}

// A large object takes longer than the mover's next look.
TEST_F(StockTest, WhatIsAttendedToIsNotClaimedAgain) {
  write([](db::Tx& tx) { save_store(tx, {.id = "first", .provider = "s3", .enabled = true, .bucket = "a"}); });
  write([](db::Tx& tx) {
    std::vector<std::string> keys;
    for (char digit : {'1', '2', '3'}) {
      keys.push_back(fmt::format("{0}{0}/{0}{0}/{1}.png", digit, std::string(64, digit)));
      insert_row(tx, {.id = std::string(1, digit), .user_id = "ann", .filename = "a", .source_type = "flux", .created_at = kNow},
                 {.key = keys.back(), .size = 1, .mime = "image/png"});
    }
    const auto claimed = [&](int limit, const std::set<std::string>& under_way) {
      std::vector<std::string> found;
      for (const auto& object : objects::claim(tx, "n", kNow, limit, under_way)) found.push_back(object.key);
      return found;
    };
    EXPECT_EQ(claimed(2, {}), (std::vector{keys[0], keys[1]}));
    EXPECT_EQ(claimed(2, {keys[0], keys[1]}), std::vector{keys[2]});
    EXPECT_EQ(claimed(1, {keys[2]}), std::vector{keys[0]}) << "whose work ended without a word";
  });
}

class DiskTest : public testing::Test {
 protected:
  DiskTest() : folder_(std::filesystem::temp_directory_path() / ("fluxgate-disk-" + crypto::random_hex(8))), disk_(folder_.string()) {}
  ~DiskTest() override { std::filesystem::remove_all(folder_); }
  std::string publish(const std::string& bytes) {
    const auto staged = disk_.stage();
    EXPECT_TRUE(staged->append(bytes));
    return *disk_.publish(*staged, "png");
  }
  void age(const std::string& key, std::chrono::seconds by) {
    std::filesystem::last_write_time(disk_.path_of(key), std::filesystem::file_time_type::clock::now() - by);
  }
  bool there(const std::string& key) const { return std::filesystem::exists(disk_.path_of(key)); }

  std::filesystem::path folder_;
  BlobStore disk_;
};

TEST_F(DiskTest, WhatWasPublishedLatelyIsNotTakenAway) {
  using std::chrono::seconds;
  const std::string key = publish("bytes");
  EXPECT_FALSE(disk_.take_away(key, seconds(60)));
  EXPECT_TRUE(there(key));
  age(key, seconds(120));
  EXPECT_EQ(publish("bytes"), key) << "the same bytes again";
  EXPECT_FALSE(disk_.take_away(key, seconds(60))) << "they count as new";
  age(key, seconds(120));
  EXPECT_TRUE(disk_.take_away(key, seconds(60)));
  EXPECT_FALSE(there(key));
  EXPECT_TRUE(disk_.take_away(key, seconds(60))) << "gone is gone";
}

TEST_F(DiskTest, FilesAreHashedWhileTheyAreWritten) {
  const auto staged = disk_.stage();
  std::string all;
  std::atomic<bool> whole{false};
  std::jthread behind([&] {
    while (!whole) EXPECT_TRUE(staged->hash_some());
  });
  for (int i = 0; i < 500; ++i) {
    const std::string piece(7'001, static_cast<char>('a' + i % 26));
    all += piece;
    EXPECT_TRUE(staged->append(piece));
  }
  whole = true;
  behind.join();
  EXPECT_EQ(staged->size(), all.size());
  EXPECT_EQ(*staged->sha256(), crypto::sha256_hex(all));
  EXPECT_EQ(staged->unhashed(), 0u);
}

TEST_F(DiskTest, ACopyComesHomeUnderItsHashOnly) {
  const std::string key = publish("bytes");
  const std::string copy = (folder_ / "copy").string();
  std::filesystem::rename(disk_.path_of(key), copy);
  EXPECT_EQ(disk_.adopt_copy(copy, kKey).error().code(), "not_its_content");
  EXPECT_TRUE(disk_.adopt_copy(copy, key));
  EXPECT_TRUE(there(key));
  int seen = 0;
  disk_.each([&](const std::string& found, std::uint64_t size, std::chrono::milliseconds) {
    ++seen;
    EXPECT_EQ(found, key);
    EXPECT_EQ(size, 5u);
  });
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace fluxgate::files

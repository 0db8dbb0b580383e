// Previews, inline bytes, links, rows, and the pool behind them.
#include <latch>

#include "base/crypto.h"
#include "base/ids.h"
#include "db/schema.h"
#include "files/work_pool.h"
#include "files/rows.h"
#include "files_fixture.h"

namespace fluxgate::files {
namespace {

TEST_F(FilesTest, DrawsAPreviewOnFirstViewAndKeepsIt) {
  const auto stored = put(Purpose::result, draw({.width = 900, .height = 600}));
  ASSERT_TRUE(stored);
  for (const auto& [side, height] : {std::pair{320, 213}, {640, 427}, {1280, 600}}) {
    const auto path = wait(files_->thumbnail_path(stored->key, side));
    ASSERT_TRUE(path) << path.error().code();
    std::ifstream file(*path, std::ios::binary);
    const Look seen = look({std::istreambuf_iterator<char>(file), {}});
    EXPECT_EQ(seen.width, std::min(side, 900));
    EXPECT_EQ(seen.height, height);
    EXPECT_TRUE(seen.blue_left);
    const auto made = std::filesystem::last_write_time(*path);
    EXPECT_EQ(*wait(files_->thumbnail_path(stored->key, side)), *path);
    EXPECT_EQ(std::filesystem::last_write_time(*path), made);
  }
  EXPECT_EQ(files_in("tmp"), 0);
}

TEST_F(FilesTest, DrawsSmallerPreviewsForBrowsersThatKnowAvif) {
  const auto stored = put(Purpose::result, draw({.width = 900, .height = 600}));
  ASSERT_TRUE(stored);
  const auto path = wait(files_->thumbnail_path(stored->key, 320, PreviewFormat::avif));
  ASSERT_TRUE(path) << path.error().code();
  std::ifstream file(*path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(sniff(bytes), Format::avif);
  EXPECT_EQ(look(bytes).width, 320);
  EXPECT_TRUE(look(bytes).blue_left);
  EXPECT_NE(*path, *wait(files_->thumbnail_path(stored->key, 320, PreviewFormat::webp)));
}

TEST_F(FilesTest, SaysWhyThereIsNoPreview) {
  const auto film = put(Purpose::result, std::string("\0\0\0\x18"
                                                     "ftypisom\0\0\2\0isommp42",
                                                     24));
  const auto damaged = put(Purpose::result, draw({}).substr(0, 60));
  const auto sound = put(Purpose::audio_upload, fixture("sound.mp3"));
  ASSERT_TRUE(film && damaged && sound);
  EXPECT_EQ(wait(files_->thumbnail_path(film->key, 320)).error().code(), "broken_video");
  EXPECT_EQ(wait(files_->thumbnail_path(sound->key, 320)).error().code(), "no_preview");
  EXPECT_EQ(wait(files_->thumbnail_path(film->key, 321)).error().code(), "thumbnail_side");
  EXPECT_EQ(wait(files_->thumbnail_path(damaged->key, 320)).error().code(), "broken_image");
  EXPECT_EQ(wait(files_->thumbnail_path("../x", 320)).error().errc(), Errc::not_found);
  const std::string absent = "aa/aa/" + std::string(64, 'a') + ".png";
  EXPECT_EQ(wait(files_->thumbnail_path(absent, 320)).error().errc(), Errc::not_found);
}

TEST_F(FilesTest, GivesAWholeFileAsDataUriUpToALimit) {
  const std::string png = draw({});
  const auto stored = put(Purpose::result, png);
  ASSERT_TRUE(stored);
  const auto uri = wait(files_->data_uri(stored->key, png.size()));
  ASSERT_TRUE(uri);
  EXPECT_EQ(*uri, "data:image/png;base64," + crypto::base64(png));
  EXPECT_EQ(wait(files_->data_uri(stored->key, png.size() - 1)).error().errc(), Errc::payload_too_large);
}

// ---- links ----

constexpr Millis kDay = 24ll * 3600 * 1000;

struct Parts {
  std::string id, name, expiry, signature;
};
Parts take_apart(const std::string& link) {
  const auto name = link.find('/', 7), query = link.find("?e="), sign = link.find("&s=");
  return {link.substr(7, name - 7), link.substr(name + 1, query - name - 1),
          link.substr(query + 3, sign - query - 3), link.substr(sign + 3)};
}

TEST_F(FilesTest, SignsALinkThatHoldsUntilItsExpiry) {
  const Millis now = 1'800'000'000'000;
  const std::string id = new_id();
  const std::string link = files_->link(id, "一张 图.png", now);
  EXPECT_TRUE(link.starts_with("/files/" + id + "/%E4%B8%80%E5%BC%A0%20%E5%9B%BE.png?e="));
  const Parts parts = take_apart(link);
  EXPECT_EQ(*files_->check_link(parts.id, parts.expiry, parts.signature, now), id);
  const Millis end = std::stoll(parts.expiry) * 1000;
  EXPECT_GE(end - now, options_.link_lifetime_ms);
  EXPECT_LT(end - now, options_.link_lifetime_ms + kDay);
  EXPECT_TRUE(files_->check_link(parts.id, parts.expiry, parts.signature, end - 1));
  EXPECT_EQ(files_->check_link(parts.id, parts.expiry, parts.signature, end).error().errc(), Errc::not_found);
}

TEST_F(FilesTest, GivesTheSameLinkForADay) {
  const Millis midnight = 20'000 * kDay;
  EXPECT_EQ(files_->link("a", "n", midnight + 1), files_->link("a", "n", midnight + kDay));
  EXPECT_NE(files_->link("a", "n", midnight), files_->link("a", "n", midnight + 1));
}

TEST_F(FilesTest, RefusesAlteredLinks) {
  const Millis now = 1'800'000'000'000;
  const Parts parts = take_apart(files_->link(new_id(), "n", now));
  const auto holds = [&](const Parts& p) {
    return files_->check_link(p.id, p.expiry, p.signature, now).has_value();
  };
  EXPECT_TRUE(holds(parts));
  EXPECT_FALSE(holds({new_id(), "", parts.expiry, parts.signature}));
  EXPECT_FALSE(holds({parts.id, "", std::to_string(std::stoll(parts.expiry) + 1), parts.signature}));
  EXPECT_FALSE(holds({parts.id, "", "0" + parts.expiry, parts.signature}));
  EXPECT_FALSE(holds({parts.id, "", parts.expiry + "x", parts.signature}));
  EXPECT_FALSE(holds({parts.id, "", "", parts.signature}));
  EXPECT_FALSE(holds({parts.id, "", parts.expiry, ""}));
  EXPECT_FALSE(holds({parts.id, "", parts.expiry, parts.signature.substr(1)}));
}

TEST_F(FilesTest, RecognisesItsOwnLinks) {
  options_.own_origins = {"https://media.example"};
  open();
  const std::string id = new_id();
  EXPECT_EQ(files_->file_id_of(files_->link(id, "a.png", 0)), id);
  EXPECT_EQ(files_->file_id_of("/files/" + id), id);
  EXPECT_EQ(files_->file_id_of("https://media.example:443/files/" + id + "/a.png"), id);
  EXPECT_EQ(files_->file_id_of("https://other.example/files/" + id + "/a.png"), "");
  EXPECT_EQ(files_->file_id_of("/files/../etc"), "");
  EXPECT_EQ(files_->file_id_of("/tasks/" + id), "");
  EXPECT_EQ(files_->file_id_of(""), "");
}

// ---- rows ----

TEST_F(FilesTest, WritesAndFindsRowsByOwner) {
  auto database = db::open(":memory:");
  database->write_now([](db::Tx& tx) { db::create_missing(tx, 0); });
  const auto stored = put(Purpose::upload, draw({}));
  ASSERT_TRUE(stored);
  FileRow row{.id = new_id(),
              .user_id = "u1",
              .filename = "猫.png",
              .source_type = "flux_input",
              .created_at = 1'763'937'699'123};
  row.filename = std::string(300, 'a') + row.filename;
  database->write_now([&](db::Tx& tx) { files_->insert(tx, row, *stored); });
  const auto found = database->read_now([&](db::Tx& tx) { return files_->find(tx, row.id, "u1"); });
  ASSERT_TRUE(found);
  EXPECT_EQ(found->key, stored->key);
  EXPECT_EQ(found->mime, "image/png");
  EXPECT_EQ(found->sha256, stored->sha256);
  EXPECT_EQ(found->size, stored->size);
  EXPECT_EQ(found->created_at, row.created_at);
  EXPECT_EQ(found->filename.size(), 255u);
  EXPECT_TRUE(found->filename.ends_with("猫.png"));
  const auto another = database->read_now([&](db::Tx& tx) { return files_->find(tx, row.id, "u2"); });
  const auto any = database->read_now([&](db::Tx& tx) { return files_->find(tx, row.id, ""); });
  EXPECT_FALSE(another);
  EXPECT_TRUE(any);
  const auto raw = database->read_now([&](db::Tx& tx) {
    return tx.first(
        "SELECT file_type, storage_provider, status, created_at, source_task_id IS NULL, file_metadata FROM "
        "generated_files",
        {}, [](const db::Row& r) {
          return fmt::format("{} {} {} {} {} {}", r.text(0), r.text(1), r.text(2), r.text(3), r.i64(4),
                             r.text(5));
        });
  });
  EXPECT_TRUE(raw->starts_with("image local uploaded 2025-11-23 22:41:39.123000 1 {")) << *raw;
  EXPECT_TRUE(raw->contains("\"width\":64"));
}

TEST(SqlTime, ReadsWhatOthersWrote) {
  EXPECT_EQ(parse_sql_time("2025-11-23 22:41:39.123456"), 1'763'937'699'123);
  EXPECT_EQ(parse_sql_time("2025-11-23T22:41:39.1"), 1'763'937'699'100);
  EXPECT_EQ(parse_sql_time("2025-11-23 22:41:39"), 1'763'937'699'000);
  EXPECT_EQ(parse_sql_time("1970-01-01 00:00:00"), 0);
  EXPECT_EQ(parse_sql_time("2025-13-23 22:41:39"), 0);
  EXPECT_EQ(parse_sql_time("yesterday"), 0);
  EXPECT_EQ(parse_sql_time(sql_time(1'763'937'699'123)), 1'763'937'699'123);
}

// ---- the pool ----

class PoolTest : public ::testing::Test {
 protected:
  // Occupies the only thread until released.
  void block() {
    spawn(WhenFull::wait, "", [this]() -> Result<void> {
      started_.count_down();
      release_.wait();
      return {};
    });
    io_.poll();
    started_.wait();
  }
  void spawn(WhenFull when_full, std::string key, WorkPool::Work work) {
    boost::asio::co_spawn(io_, pool_.run(when_full, std::move(key), std::move(work)),
                          [this](std::exception_ptr error, Result<void> result) {
                            outcomes_.push_back(error ? "thrown" : result ? "done" : result.error().code());
                          });
  }
  void finish() {
    release_.count_down();
    io_.restart();
    io_.run();
  }

  boost::asio::io_context io_;
  std::latch started_{1}, release_{1};
  std::vector<std::string> outcomes_;
  WorkPool pool_{1, 2};
};

TEST_F(PoolTest, RefusesWhatIsBeyondTheQueueUnlessItMustBeDone) {
  block();
  for (int i = 0; i < 3; ++i) spawn(WhenFull::refuse, "", [] { return Result<void>(); });
  spawn(WhenFull::wait, "", [] { return Result<void>(); });
  io_.restart();
  io_.poll();
  EXPECT_EQ(outcomes_, std::vector<std::string>{"media_busy"});
  finish();
  EXPECT_EQ(outcomes_, (std::vector<std::string>{"media_busy", "done", "done", "done", "done"}));
}

TEST_F(PoolTest, RunsOneWorkForEqualKeys) {
  block();
  std::atomic<int> runs = 0;
  for (int i = 0; i < 10; ++i) spawn(WhenFull::refuse, "same", [&runs] { return ++runs, Result<void>(); });
  io_.restart();
  io_.poll();  // all ten have asked
  finish();
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(outcomes_.size(), 11u);
}

TEST_F(PoolTest, ThrowsWhatTheWorkThrows) {
  spawn(WhenFull::wait, "", []() -> Result<void> { throw std::runtime_error("disk"); });
  finish();
  EXPECT_EQ(outcomes_, std::vector<std::string>{"thrown"});
}

}  // namespace
}  // namespace fluxgate::files

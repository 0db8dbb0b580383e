// The closure contract of DESIGN §5.1, on both engines.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "base/ids.h"
#include "db/database.h"
#include "db/schema.h"
#include "support/postgres_server.h"

namespace fluxgate::db {
namespace {

class Closures : public testing::TestWithParam<Dialect> {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("fluxgate-db-" + new_id());
    std::filesystem::create_directories(folder_);
    database_ = open(GetParam() == Dialect::sqlite ? "sqlite:///" + (folder_ / "test.db").string()
                                                   : test::PostgresServer::shared().new_database());
    database_->write_now([](Tx& tx) { tx.exec("CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT)"); });
  }
  void TearDown() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::int64_t count() {
    return database_->read_now([](Tx& tx) { return tx.number("SELECT COUNT(*) FROM t"); });
  }

  std::filesystem::path folder_;
  std::unique_ptr<Database> database_;
};

Error refusal() { return Error(Errc::conflict, "refused", {"refused", "拒绝"}); }

TEST_P(Closures, AnswersWhatTheClosureReturnsAfterItIsOnDisk) {
  auto n = database_->write_now([](Tx& tx) { return tx.exec("INSERT INTO t VALUES ($1, $2)", {"a", 1}); });
  EXPECT_EQ(n, 1);
  EXPECT_EQ(count(), 1);
}

TEST_P(Closures, ThatRefuseBeforeWritingChangeNothing) {
  auto result = database_->write_now([](Tx&) -> Result<int> { return fail(refusal()); });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), "refused");
}

TEST_P(Closures, ThatWriteAndThenRefuseAreUndone) {
  auto result = database_->write_now([](Tx& tx) -> Result<int> {
    tx.exec("INSERT INTO t VALUES ('x', 1)");
    return fail(refusal());
  });
  EXPECT_FALSE(result);
  EXPECT_EQ(count(), 0);
}

TEST_P(Closures, ThatThrowTellOnlyTheirOwnCaller) {
  // Held up by the first, the others gather into one group.
  std::atomic<bool> gathered = false;
  std::thread first([&] {
    database_->write_now([&](Tx& tx) {
      while (!gathered) std::this_thread::yield();
      tx.exec("INSERT INTO t VALUES ('first', 0)");
    });
  });
  std::atomic<int> started = 0;
  std::atomic<int> failed = 0;
  std::vector<std::thread> others;
  for (int i = 0; i < 20; ++i)
    others.emplace_back([&, i] {
      ++started;
      try {
        database_->write_now([i](Tx& tx) {
          tx.exec("INSERT INTO t VALUES ($1, $2)", {std::to_string(i), i});
          if (i == 7) throw std::runtime_error("bug");
        });
      } catch (const std::runtime_error&) {
        ++failed;
      }
    });
  while (started < 20) std::this_thread::yield();
  gathered = true;
  first.join();
  for (auto& thread : others) thread.join();
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(count(), 20);  // first, and 19 of the 20
}

TEST_P(Closures, OfOneGroupSeeWhatEarlierOnesWrote) {
  constexpr int kWriters = 64;
  std::vector<std::thread> writers;
  database_->write_now([](Tx& tx) { tx.exec("INSERT INTO t VALUES ('sum', 0)"); });
  for (int i = 0; i < kWriters; ++i)
    writers.emplace_back([&] {
      for (int k = 0; k < 20; ++k)
        database_->write_now([](Tx& tx) { tx.exec("UPDATE t SET n = n + 1 WHERE k = 'sum'"); });
    });
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(database_->read_now([](Tx& tx) { return tx.number("SELECT n FROM t WHERE k = 'sum'"); }), kWriters * 20);
}

TEST_P(Closures, ReadsSeeOneSnapshot) {
  database_->write_now([](Tx& tx) { tx.exec("INSERT INTO t VALUES ('a', 1)"); });
  database_->read_now([this](Tx& tx) {
    auto before = tx.number("SELECT COUNT(*) FROM t");
    database_->write_now([](Tx& other) { other.exec("INSERT INTO t VALUES ('b', 1)"); });
    EXPECT_EQ(tx.number("SELECT COUNT(*) FROM t"), before);
  });
  EXPECT_EQ(count(), 2);
}

TEST_P(Closures, CannotWriteWhenReading) {
  EXPECT_THROW(database_->read_now([](Tx& tx) { tx.exec("INSERT INTO t VALUES ('a', 1)"); }), Failure);
}

TEST_P(Closures, TakeParametersOfEveryKindAndInAnyOrder) {
  auto row = database_->read_now([](Tx& tx) {
    return tx.first("SELECT $2, $1, $3, $4, $2", {"text", 42, 2.5, nullptr}, [](const Row& r) {
      return std::make_tuple(r.i64(0), r.str(1), r.real(2), r.is_null(3), r.i64(4));
    });
  });
  EXPECT_EQ(*row, std::make_tuple(42, "text", 2.5, true, 42));
}

TEST_P(Closures, KeepTextThatIsNoneWithoutAnError) {
  using namespace std::string_literals;
  database_->write_now([](Tx& tx) { tx.exec("INSERT INTO t VALUES ($1, 7)", {"a\0b \xFF 中文"s}); });
  const auto key = [&](const std::string& wanted) {
    return database_->read_now([&](Tx& tx) {
      return tx.first("SELECT k FROM t WHERE k = $1", {wanted}, [](const Row& row) { return row.str(0); }).value_or("");
    });
  };
  EXPECT_EQ(key("a\uFFFDb \uFFFD 中文"), "a\uFFFDb \uFFFD 中文");
  EXPECT_EQ(key("a"), "") << "not cut off at NUL";
  EXPECT_EQ(key("\xC0\xAF"), "");
}

TEST_P(Closures, AreRefusedOnceTheDatabaseIsClosed) {
  database_->stop();
  EXPECT_THROW(database_->write_now([](Tx& tx) { tx.exec("INSERT INTO t VALUES ('late', 1)"); }), Failure);
}

// As at the end of a server: the answer came, and the thread that would have heard it runs no more.
TEST_P(Closures, LetGoOfACoroutineThatIsNeverResumed) {
  auto kept = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = kept;
  const auto work = [](Database& database, std::shared_ptr<int> mine) -> awaitable<void> {
    co_await database.write([mine](Tx& tx) { tx.exec("INSERT INTO t VALUES ('a', 1)"); });
  };
  {
    boost::asio::io_context io;
    boost::asio::co_spawn(io, work(*database_, std::move(kept)), boost::asio::detached);
    io.poll();
    database_->stop();  // it finishes what it was given
    EXPECT_FALSE(seen.expired());
  }
  EXPECT_TRUE(seen.expired()) << "the coroutine and its closure hold each other";
}

INSTANTIATE_TEST_SUITE_P(Engines, Closures, testing::Values(Dialect::sqlite, Dialect::postgresql),
                         [](const auto& engine) { return engine.param == Dialect::sqlite ? "sqlite" : "postgresql"; });

// ---- SQLite alone ----

class OnAFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("fluxgate-db-" + new_id());
    std::filesystem::create_directories(folder_);
    database_ = open("sqlite:///" + (folder_ / "test.db").string());
  }
  void TearDown() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::filesystem::path folder_;
  std::unique_ptr<Database> database_;
};

TEST_F(OnAFile, SecondServerOnTheSameFileIsKeptAway) {
  std::string url = "sqlite:///" + (folder_ / "served.db").string();
  auto first = open(url, {.exclusive_server = true});
  EXPECT_THROW(open(url, {.exclusive_server = true}), Failure);
  EXPECT_NO_THROW(open(url));  // command line tools work beside a server
}

TEST_F(OnAFile, WhatIsMadeAnewIsForItsOwnerAloneAndWhatIsThereKeepsItsMode) {
  namespace fs = std::filesystem;
  const auto mode = [](const fs::path& path) { return fs::status(path).permissions(); };
  const auto owner_only = fs::perms::owner_read | fs::perms::owner_write;
  database_->write_now([](Tx& tx) { tx.exec("CREATE TABLE t (n BIGINT)"); });
  EXPECT_EQ(mode(folder_ / "test.db"), owner_only);
  EXPECT_EQ(mode(folder_ / "test.db-wal"), owner_only);
  const auto shared = owner_only | fs::perms::group_read;
  std::ofstream(folder_ / "old.db").close();
  fs::permissions(folder_ / "old.db", shared);
  open("sqlite:///" + (folder_ / "old.db").string())->write_now([](Tx& tx) { tx.exec("CREATE TABLE t (n BIGINT)"); });
  EXPECT_EQ(mode(folder_ / "old.db"), shared);
}

// A checkpoint on a connection that never read is a silent no-op, and the log once grew without end.
TEST_F(OnAFile, FoldTheWriteAheadLogBackWhileWritingGoesOn) {
  const std::string filler(512 * 1024, 'x');
  database_->write_now([](Tx& tx) { tx.exec("CREATE TABLE big (n BIGINT, filler TEXT)"); });
  for (int i = 0; i < 300; ++i)
    database_->write_now([i, &filler](Tx& tx) { tx.exec("INSERT INTO big VALUES ($1, $2)", {i, filler}); });
  // The file keeps its greatest length; had nothing been folded back it would hold all 150 MB. The writer sees to
  // it at 48 MB; readers, of which there are none here, could hold it up.
  EXPECT_LT(std::filesystem::file_size(folder_ / "test.db-wal"), 100u * 1024 * 1024);
}

TEST(Schema, IsCreatedByManyNodesAtOnce) {
  const std::string url = test::PostgresServer::shared().new_database();
  std::vector<std::thread> nodes;
  for (int i = 0; i < 4; ++i)
    nodes.emplace_back([url] {
      auto database = open(url, {.connections = 1});
      database->write_now([](Tx& tx) { create_missing(tx, 1); });
    });
  for (auto& node : nodes) node.join();
  auto tables = open(url)->read_now([](Tx& tx) {
    return tx.number("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'");
  });
  EXPECT_EQ(tables, static_cast<std::int64_t>(db::tables().size()));
}

TEST(Schema, IsCreatedOnceAndAgainWithoutAChange) {
  auto database = open(":memory:");
  for (int i = 0; i < 2; ++i) database->write_now([](Tx& tx) { create_missing(tx, 1); });
  auto tables = database->read_now(
      [](Tx& tx) { return tx.number("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"); });
  EXPECT_EQ(tables, static_cast<std::int64_t>(db::tables().size()));
}

}  // namespace
}  // namespace fluxgate::db

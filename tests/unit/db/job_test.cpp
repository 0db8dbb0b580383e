// What is told of closures: where those stand that fail, and those that keep a transaction open for long.
#include <chrono>
#include <filesystem>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include "base/ids.h"
#include "base/log.h"
#include "db/database.h"
#include "support/postgres_server.h"

namespace fluxgate::db {
namespace {

using Clock = std::chrono::steady_clock;

class ToldOfClosures : public testing::TestWithParam<Dialect> {
 protected:
  void SetUp() override {
    log::configure(log::Level::info, log::Format::text);
    std::filesystem::create_directories(folder_);
    database_ = open(GetParam() == Dialect::sqlite ? "sqlite:///" + (folder_ / "test.db").string()
                                                   : test::PostgresServer::shared().new_database());
  }
  void TearDown() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  // What was logged meanwhile; failures are looked for there.
  template <class F>
  std::string told(F act) {
    testing::internal::CaptureStderr();
    try {
      act();
    } catch (const Failure&) {
    }
    return testing::internal::GetCapturedStderr();
  }
  static std::string here(int line) { return "job_test.cpp:" + std::to_string(line); }

  const std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("fluxgate-db-" + new_id());
  boost::asio::io_context io_;  // outlives the threads that wake it
  std::unique_ptr<Database> database_;
};

TEST_P(ToldOfClosures, AFailureIsLoggedOnceWithTheLineThatGaveIt) {
  const auto nonsense = [](Tx& tx) { tx.exec("NONSENSE"); };
  const auto once = [](const std::string& told, int line) {
    const auto at = told.find(here(line) + " failed: ");
    return at != std::string::npos && told.find(" failed: ", at + here(line).size() + 1) == std::string::npos;
  };
  std::string said = told([&] { database_->write_now(nonsense); });
  EXPECT_TRUE(once(said, __LINE__ - 1)) << said;
  said = told([&] { database_->read_now(nonsense); });
  EXPECT_TRUE(once(said, __LINE__ - 1)) << said;
  for (const bool writes : {true, false}) {
    const int line = __LINE__ + 3;
    said = told([&] {
      io_.restart();
      auto done = boost::asio::co_spawn(io_, writes ? database_->write(nonsense) : database_->read(nonsense), boost::asio::use_future);
      io_.run();
      done.get();
    });
    EXPECT_TRUE(once(said, line)) << said;
  }
}

TEST_P(ToldOfClosures, ARefusalIsNotAFailure) {
  const std::string said = told([&] {
    EXPECT_FALSE(database_->write_now([](Tx&) -> Result<int> { return fail(Errc::conflict, "refused", {"refused", "拒绝"}); }));
  });
  EXPECT_EQ(said, "");
}

TEST_P(ToldOfClosures, OneThatTakesASecondIsLoggedAndAQuickOneIsNot) {
  const auto keep = [](std::chrono::milliseconds time) {
    return [time](Tx&) {
      for (const auto begun = Clock::now(); Clock::now() - begun < time;) {
      }
    };
  };
  std::string said = told([&] { database_->write_now(keep(std::chrono::seconds(1))); });
  EXPECT_NE(said.find(here(__LINE__ - 1) + " kept its transaction open for 1"), std::string::npos) << said;
  const auto begun = Clock::now();
  said = told([&] { database_->write_now(keep(std::chrono::milliseconds(1))); });
  if (Clock::now() - begun < std::chrono::seconds(1)) EXPECT_EQ(said, "");
}

INSTANTIATE_TEST_SUITE_P(Engines, ToldOfClosures, testing::Values(Dialect::sqlite, Dialect::postgresql),
                         [](const auto& engine) { return engine.param == Dialect::sqlite ? "sqlite" : "postgresql"; });

}  // namespace
}  // namespace fluxgate::db

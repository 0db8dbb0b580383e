// A node whose database is behind PgBouncer: the mode that keeps sessions does, the others are refused in words.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "db/database.h"
#include "support/postgres_server.h"

namespace fluxgate::db {
namespace {

std::string pooled(const std::string& mode) {
  auto& server = test::PostgresServer::shared();
  const std::string url = server.new_database();
  const auto name = url.substr(url.find(":///") + 4);
  return server.pooled_url(name.substr(0, name.find('?')), mode);
}

TEST(Pooler, ThatKeepsSessionsIsAsGoodAsTheServer) {
  const std::string url = pooled("session");
  const auto one = open(url, {.exclusive_server = true}), other = open(url, {.exclusive_server = true});
  one->write_now([](Tx& tx) { tx.exec("CREATE TABLE t (n BIGINT PRIMARY KEY)"); });
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      Database& database = i % 2 == 0 ? *one : *other;
      for (int n = i; n < 200; n += 8) database.write_now([n](Tx& tx) { tx.exec("INSERT INTO t VALUES ($1)", {n}); });
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(other->read_now([](Tx& tx) { return tx.number("SELECT COUNT(*) FROM t"); }), 200);
  // Limits belong to the session.
  EXPECT_EQ(one->read_now([](Tx& tx) {
    return tx.number("SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'");
  }), 5'000);

  std::mutex mutex;
  std::condition_variable heard;
  bool came = false;
  other->on_announced([&](const std::string& word) {
    std::lock_guard lock(mutex);
    came = came || word == "news";
    heard.notify_all();
  });
  std::unique_lock lock(mutex);
  for (int tries = 0; tries < 60 && !came; ++tries) {  // its line may not be there yet
    one->announce("news");
    heard.wait_for(lock, std::chrono::seconds(1), [&] { return came; });
  }
  EXPECT_TRUE(came);
}

TEST(Pooler, ThatGivesEachTransactionAnotherSessionIsRefused) {
  for (const char* mode : {"transaction", "statement"}) {
    std::string why = "it was opened";
    try {
      open(pooled(mode));
    } catch (const Failure& failure) {
      why = failure.what();
    }
    EXPECT_NE(why.find("pool_mode = session"), std::string::npos) << mode << ": " << why;
  }
}

}  // namespace
}  // namespace fluxgate::db

// What a shared database asks of its clients: few sessions, limits, patience, and to go where writes are taken.
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "db/postgresql_connection.h"
#include "support/postgres_server.h"

namespace fluxgate::db {
namespace {

using test::PostgresServer;

constexpr const char* kTable = "CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT)";

std::int64_t count(const std::string& url) {
  PgConnection session(parse_postgres_url(url, false), {});
  return static_cast<Tx&>(session).number("SELECT COUNT(*) FROM t");
}

// As a cluster's keeper makes a server a standby or the primary.
void set_read_only(const std::string& url, bool read_only) {
  PgConnection session(parse_postgres_url(url, false), {});
  session.command("SET default_transaction_read_only = off");
  session.command(read_only ? "ALTER SYSTEM SET default_transaction_read_only = on" : "ALTER SYSTEM SET default_transaction_read_only = off");
  session.command("SELECT pg_reload_conf()");
  // The word spreads by signal; a new session shows that it has arrived.
  const std::string wanted = read_only ? "on" : "off";
  for (std::string now; now != wanted;) {
    PgConnection fresh(parse_postgres_url(url, false), {});
    now = static_cast<Tx&>(fresh).first("SELECT current_setting('default_transaction_read_only')", {},
                                        [](const Row& row) { return row.str(0); }).value_or("");
  }
}

class Cluster : public testing::Test {
 protected:
  // One of them takes writes; `both` names them as a node would.
  void two_servers() {
    for (int i = 0; i < 2; ++i) {
      servers_.push_back(std::make_unique<PostgresServer>());
      urls_.push_back(servers_.back()->new_database());
      PgConnection(parse_postgres_url(urls_.back(), true), {}).command(kTable);
    }
    set_read_only(urls_[1], true);
    const auto folder = [](const PostgresServer& server) { return std::filesystem::path(server.socket()).parent_path().string(); };
    both_ = fmt::format("postgresql:///test1?host={},{}&user=postgres", folder(*servers_[0]), folder(*servers_[1]));
  }
  static void insert(Database& database, const std::string& key) {
    database.write_now([key](Tx& tx) { tx.exec("INSERT INTO t VALUES ($1, 1)", {key}); });
  }

  std::vector<std::unique_ptr<PostgresServer>> servers_;
  std::vector<std::string> urls_;
  std::string both_;
};

TEST_F(Cluster, WritesGoToTheServerThatTakesThem) {
  two_servers();
  auto database = open(both_, {.connections = 2});
  insert(*database, "first");
  EXPECT_EQ(count(urls_[0]), 1);
  EXPECT_EQ(count(urls_[1]), 0);

  // The primary becomes a standby under open sessions, the other takes over.
  set_read_only(urls_[0], true);
  set_read_only(urls_[1], false);
  for (const char* key : {"a", "b", "c", "d"}) insert(*database, key);
  EXPECT_EQ(count(urls_[0]), 1);
  EXPECT_EQ(count(urls_[1]), 4);
  for (int i = 0; i < 8; ++i)  // on whichever session
    EXPECT_EQ(database->read_now([](Tx& tx) { return tx.number("SELECT COUNT(*) FROM t"); }), 4) << "reads go there too";
}

// Nobody wrote on the old sessions, which therefore notice nothing.
TEST_F(Cluster, NoSessionStaysBehindWhenOneIsMadeElsewhere) {
  two_servers();
  constexpr int kSessions = 6;
  auto database = open(both_, {.connections = kSessions});
  // One closure on each session at once.
  const auto on_each = [&](auto closure) {
    std::atomic<int> inside = 0;
    std::vector<std::thread> callers;
    for (int i = 0; i < kSessions; ++i)
      callers.emplace_back([&] {
        database->read_now([&](Tx& tx) {
          ++inside;
          while (inside < kSessions) std::this_thread::yield();
          closure(tx);
        });
      });
    for (auto& caller : callers) caller.join();
  };
  std::atomic<bool> moved = false, held = false;
  std::thread reader([&] {  // one of the sessions there are is in use
    database->read_now([&](Tx& tx) {
      EXPECT_EQ(tx.number("SELECT COUNT(*) FROM t"), 0);
      held = true;
      while (!moved) std::this_thread::yield();
    });
  });
  while (!held) std::this_thread::yield();
  set_read_only(urls_[0], true);
  set_read_only(urls_[1], false);
  insert(*database, "first");
  moved = true;
  reader.join();
  on_each([](Tx& tx) { EXPECT_EQ(tx.number("SELECT COUNT(*) FROM t"), 1); });
}

// The line to the old server stands, and would be silent for ever.
TEST_F(Cluster, WordsAreHeardAtTheServerThatTookOver) {
  two_servers();
  auto speaks = open(both_, {.connections = 1}), hears = open(both_, {.connections = 1});
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::string> heard;
  hears->on_announced([&](const std::string& word) {
    std::lock_guard lock(mutex);
    heard.insert(word);
    changed.notify_all();
  });
  const auto comes_through = [&](const std::string& word) {
    std::unique_lock lock(mutex);
    for (int tries = 0; tries < 600 && !heard.contains(word); ++tries) {
      speaks->announce(word);
      changed.wait_for(lock, std::chrono::milliseconds(50), [&] { return heard.contains(word); });
    }
    return heard.contains(word);
  };
  ASSERT_TRUE(comes_through("before"));
  set_read_only(urls_[0], true);
  set_read_only(urls_[1], false);
  insert(*speaks, "a");
  insert(*hears, "b");
  EXPECT_TRUE(comes_through("after"));
  PgConnection outside(parse_postgres_url(urls_[0], false), {});
  const auto stayed_behind = [&outside] {
    return static_cast<Tx&>(outside).number("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
  };
  for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30); std::chrono::steady_clock::now() < until && stayed_behind() > 0;)
    std::this_thread::yield();
  EXPECT_EQ(stayed_behind(), 0) << "what is said there is heard only by who stays there";
}

TEST_F(Cluster, ClosuresWaitUntilAnotherServerTakesOver) {
  two_servers();
  auto database = open(both_, {.connections = 2});
  insert(*database, "first");
  servers_[0]->stop();
  std::atomic<bool> given = false;
  std::thread writer([&] {
    given = true;
    insert(*database, "second");
  });
  while (!given) std::this_thread::yield();
  set_read_only(urls_[1], false);
  writer.join();
  EXPECT_EQ(count(urls_[1]), 1);
}

TEST_F(Cluster, NoMoreSessionsThanAllowedAndOneForNews) {
  constexpr int kSessions = 3;
  const std::string url = PostgresServer::shared().new_database();
  auto database = open(url, {.connections = kSessions});
  database->write_now([](Tx& tx) { tx.exec(kTable); });
  std::atomic<int> inside = 0;
  std::vector<std::thread> writers;
  for (int i = 0; i < 32; ++i)
    writers.emplace_back([&, i] {
      database->write_now([&, i](Tx& tx) {
        ++inside;
        tx.exec("INSERT INTO t VALUES ($1, 1)", {fmt::format("{}", i)});
      });
    });
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(inside, 32);
  PgConnection outside(parse_postgres_url(PostgresServer::shared().url("postgres"), false), {});
  const auto sessions = static_cast<Tx&>(outside).number(
      "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = $1", {url.substr(14, url.find('?') - 14)});
  EXPECT_LE(sessions, kSessions + 1);
  EXPECT_GE(sessions, 2);
}

TEST_F(Cluster, AServersSessionsHaveLimitsAndThoseOfToolsHaveNone) {
  const std::string url = PostgresServer::shared().new_database();
  const auto limits = [&url](bool server) {
    auto database = open(url, {.exclusive_server = server, .connections = 1});
    return database->read_now([](Tx& tx) {
      std::map<std::string, std::string> found;
      tx.each("SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout')", {},
              [&](const Row& row) { found[row.str(0)] = row.str(1); });
      return found;
    });
  };
  EXPECT_EQ(limits(true), (std::map<std::string, std::string>{{"statement_timeout", "30000"}, {"lock_timeout", "10000"}}));
  EXPECT_EQ(limits(false), (std::map<std::string, std::string>{{"statement_timeout", "0"}, {"lock_timeout", "0"}}))
      << "a repair takes the time it takes";
}

TEST_F(Cluster, AStatementIsPreparedOnce) {
  PgConnection session(parse_postgres_url(PostgresServer::shared().new_database(), true), {});
  Tx& tx = session;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(tx.number("SELECT $1 + 1 AS once", {i}), i + 1);
  EXPECT_EQ(tx.number("SELECT COUNT(*) FROM pg_prepared_statements WHERE statement LIKE '%AS once'"), 1);
}

TEST_F(Cluster, WhatLostAgainstOthersIsRunAgain) {
  const std::string url = PostgresServer::shared().new_database();
  auto database = open(url, {.connections = 4});
  database->write_now([](Tx& tx) { tx.exec(kTable); });
  insert(*database, "hot");

  std::atomic<int> tries = 0;
  std::atomic<bool> held = false;
  std::thread holder([&] {
    database->write_now([&](Tx& tx) {
      tx.exec("UPDATE t SET n = n + 1");
      held = true;
      while (tries < 3) std::this_thread::yield();
    });
  });
  while (!held) std::this_thread::yield();
  database->write_now([&](Tx& tx) {
    ++tries;
    tx.number("SELECT n FROM t FOR UPDATE NOWAIT");  // a lock that cannot be had: 55P03
    tx.exec("UPDATE t SET n = n + 1");
  });
  holder.join();
  EXPECT_EQ(database->read_now([](Tx& tx) { return tx.number("SELECT n FROM t"); }), 3);
  EXPECT_GE(tries, 3);

  int runs = 0;
  database->write_now([&runs](Tx& tx) {
    tx.exec("UPDATE t SET n = n + 1");
    if (++runs == 1) tx.exec("DO $$ BEGIN RAISE 'as a serialisation failure' USING ERRCODE = '40001'; END $$");
  });
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(database->read_now([](Tx& tx) { return tx.number("SELECT n FROM t"); }), 4);
}

TEST_F(Cluster, AWordSurvivesTheLineItWasToBeSentOn) {
  const std::string url = PostgresServer::shared().new_database();
  auto speaks = open(url, {.connections = 1});
  PgConnection outside(parse_postgres_url(url, false), {});
  Tx& killer = outside;
  std::int64_t line = 0;
  while (line == 0) line = killer.number("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN fluxgate'");

  auto hears = open(url, {.connections = 1});
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::string> heard;
  hears->on_announced([&](const std::string& word) {
    std::lock_guard lock(mutex);
    heard.insert(word);
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  const auto wait_for = [&](const std::string& word, std::chrono::milliseconds limit) {
    return changed.wait_for(lock, limit, [&] { return heard.contains(word); });
  };
  do speaks->announce("are you there");
  while (!wait_for("are you there", std::chrono::milliseconds(50)));

  EXPECT_EQ(killer.number("SELECT CAST(pg_terminate_backend(CAST($1 AS INTEGER)) AS INTEGER)", {line}), 1);
  speaks->announce("said once");
  EXPECT_TRUE(wait_for("said once", std::chrono::seconds(30)));
}

}  // namespace
}  // namespace fluxgate::db

// What PostgreSQL does to closures that SQLite never would: deadlocks, connections that break, other nodes.
#include <atomic>
#include <condition_variable>
#include <thread>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "db/database.h"
#include "db/outcome_unknown.h"
#include "db/post.h"
#include "support/postgres_proxy.h"
#include "support/postgres_server.h"

namespace fluxgate::db {
namespace {

using test::PostgresServer;
using test::Proxy;

class Postgres : public testing::Test {
 protected:
  void SetUp() override {
    url_ = PostgresServer::shared().new_database();
    database_ = open(url_);
    database_->write_now([](Tx& tx) { tx.exec("CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT)"); });
  }
  std::int64_t number(const std::string& key) {
    return database_->read_now([key](Tx& tx) { return tx.number("SELECT n FROM t WHERE k = $1", {key}); });
  }

  std::string url_;
  std::unique_ptr<Database> database_;
};

TEST_F(Postgres, RunsClosuresAgainThatLostADeadlock) {
  database_->write_now([](Tx& tx) { tx.exec("INSERT INTO t VALUES ('a', 0), ('b', 0)"); });
  std::atomic<int> locked{0};
  std::vector<std::thread> writers;
  for (const auto& [first, second] : {std::pair("a", "b"), std::pair("b", "a")})
    writers.emplace_back([&, first, second] {
      database_->write_now([&, first, second](Tx& tx) {
        tx.exec("UPDATE t SET n = n + 1 WHERE k = $1", {first});
        ++locked;
        while (locked < 2) std::this_thread::yield();  // each holds what the other wants
        tx.exec("UPDATE t SET n = n + 1 WHERE k = $1", {second});
      });
    });
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(number("a"), 2);
  EXPECT_EQ(number("b"), 2);
  EXPECT_GE(locked, 3) << "one of them ran twice";
}

TEST_F(Postgres, GoesOnWhenItsConnectionsAreCut) {
  auto other = open(url_, {.connections = 1});
  int runs = 0;
  database_->write_now([&](Tx& tx) {
    tx.exec("INSERT INTO t VALUES ('once', 1)");
    if (++runs > 1) return;
    const auto me = tx.number("SELECT pg_backend_pid()");
    other->write_now([me](Tx& killer) { killer.number("SELECT CAST(pg_terminate_backend(CAST($1 AS INTEGER)) AS INTEGER)", {me}); });
    tx.number("SELECT COUNT(*) FROM t");
  });
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(number("once"), 1);
}

TEST_F(Postgres, KnowsWhatBecameOfACommitWhoseAnswerWasLost) {
  Proxy proxy(PostgresServer::shared().socket());
  const std::string name = url_.substr(14, url_.find('?') - 14);
  auto through = open(fmt::format("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", proxy.port(), name), {.connections = 1});
  through->write_now([](Tx& tx) { tx.exec("INSERT INTO t VALUES ('n', 0)"); });
  for (const auto cut : {Proxy::Cut::after, Proxy::Cut::before}) {
    const auto before = number("n");
    int runs = 0;
    proxy.cut_at_commit = cut;
    through->write_now([&runs](Tx& tx) {
      ++runs;
      tx.exec("UPDATE t SET n = n + 1 WHERE k = 'n'");
    });
    EXPECT_EQ(number("n"), before + 1) << "once, whatever was heard";
    EXPECT_EQ(runs, cut == Proxy::Cut::after ? 1 : 2);
  }
}

TEST_F(Postgres, MakesAsManyJourneysAsAClosureAsksQuestions) {
  Proxy proxy(PostgresServer::shared().socket());
  const std::string name = url_.substr(14, url_.find('?') - 14);
  auto through = open(fmt::format("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", proxy.port(), name), {.connections = 1});
  const auto write = [&] {
    through->write_now([](Tx& tx) {
      for (int i = 0; i < 8; ++i) post(tx, "INSERT INTO t VALUES ($1, 0) ON CONFLICT (k) DO UPDATE SET n = t.n + 1", {fmt::format("k{}", i)});
      EXPECT_EQ(tx.number("SELECT COUNT(*) FROM t WHERE k LIKE 'k%'"), 8);
      post(tx, "UPDATE t SET n = n + 1 WHERE k = 'k0'", {});
    });
  };
  const auto read = [&] { return through->read_now([](Tx& tx) { return tx.number("SELECT n FROM t WHERE k = 'k0'"); }); };
  // The fewest of some: the session that listens for news goes the same way when it likes.
  const auto journeys_of = [&proxy](const auto& closure) {
    int fewest = std::numeric_limits<int>::max();
    for (int i = 0; i < 6; ++i) {
      const int before = proxy.journeys;
      closure();
      fewest = std::min(fewest, proxy.journeys - before);
    }
    return fewest;
  };
  EXPECT_LE(journeys_of(write), 2) << "the question with what stands before it; the rest with COMMIT";
  EXPECT_EQ(read(), 11);
  EXPECT_LE(journeys_of(read), 2) << "and the end of it, which nobody waits for";
}

// A crash may make the server give out the last transaction numbers again, so that "committed" may be another's.
TEST_F(Postgres, DoesNotBelieveAServerThatCrashedThatItWasThisTransactionThatWasCommitted) {
  PostgresServer server;
  Proxy proxy(server.socket());
  const std::string url = server.new_database();
  const std::string name = url.substr(14, url.find('?') - 14);
  auto through = open(fmt::format("postgresql://postgres@127.0.0.1:{}/{}?sslmode=disable", proxy.port(), name), {.connections = 1});
  through->write_now([](Tx& tx) { tx.exec("CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT)"); });
  proxy.at_cut = [&server] {
    server.stop();
    server.start();
  };
  proxy.cut_at_commit = Proxy::Cut::after;
  EXPECT_THROW(through->write_now([](Tx& tx) { tx.exec("INSERT INTO t VALUES ('undecided', 1)"); }), OutcomeUnknown);

  int runs = 0;
  proxy.cut_at_commit = Proxy::Cut::before;
  through->write_now([&runs](Tx& tx) {
    ++runs;
    tx.exec("INSERT INTO t VALUES ('certain', 1)");
  });
  EXPECT_EQ(runs, 2) << "what was not done is done again, whoever says so";
}

// Other sessions of the pool must not be given up for one that cannot be had.
TEST_F(Postgres, MakesDoWithTheSessionsThatTheServerGives) {
  database_->write_now([](Tx& tx) {
    tx.exec("DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'few') THEN CREATE ROLE few LOGIN; END IF; END $$");
    tx.exec("ALTER ROLE few CONNECTION LIMIT 3");
    tx.exec("GRANT ALL ON t TO few");
  });
  testing::internal::CaptureStderr();
  {
    auto few = open(url_ + "&user=few", {.connections = 6});
    const auto write_twelve = [&few](const std::string& round) {
      std::vector<std::thread> writers;
      for (int i = 0; i < 12; ++i)
        writers.emplace_back([&few, key = fmt::format("{}{}", round, i)] {
          EXPECT_NO_THROW(few->write_now([&key](Tx& tx) {
            tx.exec("INSERT INTO t VALUES ($1, 1)", {key});
            tx.number("SELECT COUNT(*) FROM (SELECT pg_sleep(0.3)) AS held");
          })) << key;
        });
      for (auto& writer : writers) writer.join();
    };
    write_twelve("short");
    // All are lost and others to be had: those that stood aside are called back.
    database_->write_now([](Tx& tx) {
      tx.exec("ALTER ROLE few CONNECTION LIMIT -1");
      tx.number("SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'few'");
    });
    write_twelve("again");
  }
  const std::string log = testing::internal::GetCapturedStderr();
  const std::string shortage = "sessions, its closures wait for those";
  ASSERT_TRUE(log.contains(shortage)) << log;
  EXPECT_EQ(log.find(shortage), log.rfind(shortage)) << "told once\n" << log;
  EXPECT_GT(log.find("the database is away"), log.find(shortage)) << "when it was, later\n" << log;
  EXPECT_EQ(database_->read_now([](Tx& tx) { return tx.number("SELECT COUNT(*) FROM t"); }), 24);
}

TEST_F(Postgres, RidesOverARestartOfTheServer) {
  PostgresServer server;
  auto database = open(server.new_database(), {.connections = 2});
  database->write_now([](Tx& tx) { tx.exec("CREATE TABLE t (k TEXT PRIMARY KEY, n BIGINT)"); });
  std::atomic<bool> down = false;
  std::thread restart([&] {
    server.stop();
    down = true;
    server.start();
  });
  while (!down) std::this_thread::yield();
  database->write_now([](Tx& tx) { tx.exec("INSERT INTO t VALUES ('later', 1)"); });
  EXPECT_EQ(database->read_now([](Tx& tx) { return tx.number("SELECT n FROM t"); }), 1);
  restart.join();
}

TEST_F(Postgres, GivesUpAtOnceWhenItIsStoppedWithoutAServer) {
  PostgresServer server;
  auto database = open(server.new_database(), {.connections = 1});
  server.stop();
  std::thread waits([&] { EXPECT_THROW(database->write_now([](Tx& tx) { tx.number("SELECT 1"); }), Failure); });
  database->stop();  // would last as long as the patience of the closure
  waits.join();
}

TEST_F(Postgres, AServerWaitsForTheDatabaseThatStartsBesideIt) {
  PostgresServer server;
  const std::string url = server.new_database();
  server.stop();
  EXPECT_THROW(open(url), Failure) << "a tool does not";
  std::thread start([&server] { server.start(); });
  EXPECT_NO_THROW(open(url, {.exclusive_server = true, .connections = 1}));
  start.join();
}

TEST_F(Postgres, DoesNotCommitWhatWentOnAfterAFailedStatement) {
  EXPECT_THROW(database_->write_now([](Tx& tx) {
    tx.exec("INSERT INTO t VALUES ('half', 1)");
    try {
      tx.exec("INSERT INTO t VALUES ('half', 2)");
    } catch (const Failure&) {
    }
  }),
               Failure);
  EXPECT_EQ(number("half"), 0);
}

TEST_F(Postgres, ReadsWhileManyWritesWaitForALock) {
  database_->write_now([](Tx& tx) { tx.exec("INSERT INTO t VALUES ('hot', 0)"); });
  std::atomic<bool> held = false, release = false;
  std::thread holder([&] {
    database_->write_now([&](Tx& tx) {
      tx.exec("UPDATE t SET n = n + 1 WHERE k = 'hot'");
      held = true;
      while (!release) std::this_thread::yield();
    });
  });
  while (!held) std::this_thread::yield();
  std::vector<std::thread> writers;
  for (int i = 0; i < 32; ++i)
    writers.emplace_back([&] { database_->write_now([](Tx& tx) { tx.exec("UPDATE t SET n = n + 1 WHERE k = 'hot'"); }); });
  for (int i = 0; i < 50; ++i) EXPECT_EQ(number("hot"), 0);
  release = true;
  holder.join();
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(number("hot"), 33);
}

TEST_F(Postgres, TellsTheReasonWithoutThePassword) {
  try {
    open("postgresql://someone:hidden-words@127.0.0.1:1/none?connect_timeout=1");
    FAIL() << "it cannot be reached";
  } catch (const Failure& failure) {
    EXPECT_NE(std::string(failure.what()).find("127.0.0.1"), std::string::npos) << failure.what();
    EXPECT_EQ(std::string(failure.what()).find("hidden-words"), std::string::npos) << failure.what();
  }
}

TEST_F(Postgres, TakesTheUrlsOfSqlAlchemy) {
  auto database = open("postgresql+psycopg2" + url_.substr(url_.find("://")));
  EXPECT_EQ(database->read_now([](Tx& tx) { return tx.number("SELECT COUNT(*) FROM t"); }), 0);
}

TEST_F(Postgres, CarriesWordsToOtherNodesAndNotBack) {
  auto other = open(url_);
  std::mutex mutex;
  std::condition_variable heard_more;
  std::set<std::string> heard;
  bool echoed = false;
  other->on_announced([&](const std::string& word) {
    std::lock_guard lock(mutex);
    heard.insert(word);
    heard_more.notify_all();
  });
  database_->on_announced([&](const std::string& word) { echoed = echoed || word == "ann"; });
  std::unique_lock lock(mutex);
  // The listener may not stand yet; words are allowed to be lost, so they are said until they are heard.
  for (int i = 0; i < 200 && !(heard.contains("ann") && heard.contains("bob")); ++i) {
    database_->announce("ann");
    database_->announce("bob");
    heard_more.wait_for(lock, std::chrono::milliseconds(50));
  }
  EXPECT_TRUE(heard.contains("ann") && heard.contains("bob"));
  EXPECT_FALSE(echoed);
  // Words that are said while others are being sent go with the next message; at some time too many come together.
  for (int tries = 0; tries < 100 && !heard.contains("*"); ++tries) {
    for (int i = 0; i < 1'000; ++i) database_->announce(fmt::format("user-with-a-long-name-{}", i));
    heard_more.wait_for(lock, std::chrono::milliseconds(100), [&] { return heard.contains("*"); });
  }
  EXPECT_TRUE(heard.contains("*")) << "more than fit into one message are everybody";
}

}  // namespace
}  // namespace fluxgate::db

// What PostgreSQL does to closures that SQLite never would: deadlocks, connections that break, other nodes.
#include <atomic>
#include <condition_variable>
#include <thread>

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include "db/database.h"
#include "support/postgres_server.h"

namespace fluxgate::db {
namespace {

using test::PostgresServer;

// Stands between a database and its server, and cuts the line at the first COMMIT after `cut_at_commit`: before
// the server hears of it, or after it has done it and before the client hears of that.
class Proxy {
 public:
  enum class Cut { never, before, after };

  explicit Proxy(std::string server_socket) : server_socket_(std::move(server_socket)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    socklen_t length = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    ::listen(listener_, 64);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~Proxy() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (auto& line : lines_) line.join();
    ::close(listener_);
  }
  int port() const { return port_; }
  std::atomic<Cut> cut_at_commit{Cut::never};

 private:
  void accept_all() {
    for (;;) {
      const int client = ::accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      lines_.emplace_back([this, client] { carry(client); });
    }
  }

  void carry(int client) {
    const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    server_socket_.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0)
      while (!stopping_ && pass(client, server)) {
      }
    ::close(server);
    ::close(client);
  }

  bool pass(int client, int server) {
    pollfd watched[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    ::poll(watched, 2, 50);
    char bytes[65536];
    if (watched[0].revents != 0) {
      const auto got = ::read(client, bytes, sizeof bytes);
      if (got <= 0) return false;
      const bool commit = std::string_view(bytes, static_cast<std::size_t>(got)).find("COMMIT") != std::string_view::npos;
      const Cut cut = commit ? cut_at_commit.exchange(Cut::never) : Cut::never;
      if (cut == Cut::before) return false;
      if (::write(server, bytes, static_cast<std::size_t>(got)) != got) return false;
      if (cut == Cut::after) {
        static_cast<void>(::read(server, bytes, sizeof bytes));  // it is done
        return false;
      }
    }
    if (watched[1].revents != 0) {
      const auto got = ::read(server, bytes, sizeof bytes);
      if (got <= 0 || ::write(client, bytes, static_cast<std::size_t>(got)) != got) return false;
    }
    return true;
  }

  const std::string server_socket_;
  int listener_ = -1, port_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread acceptor_;
  std::vector<std::thread> lines_;
};

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
  const std::string folder = url_.substr(url_.find("host=") + 5, url_.find("&user") - url_.find("host=") - 5);
  Proxy proxy(folder + "/.s.PGSQL.5432");
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
  heard.clear();
  for (int i = 0; i < 1'000; ++i) database_->announce(fmt::format("user-with-a-long-name-{}", i));
  heard_more.wait_for(lock, std::chrono::seconds(10), [&] { return heard.contains("*") || heard.size() == 1'000; });
  EXPECT_TRUE(heard.contains("*")) << "more than fit into one message are everybody";
}

}  // namespace
}  // namespace fluxgate::db

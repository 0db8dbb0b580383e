#include "db/postgresql.h"

#include <condition_variable>
#include <deque>
#include <random>
#include <thread>

#include "base/log.h"
#include "db/bulletin.h"
#include "db/postgresql_connection.h"

namespace fluxgate::db {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto kTriesFor = std::chrono::seconds(30);
constexpr milliseconds kFirstPause{5}, kLongestPause{500};
constexpr int kConnections = 8;

class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(std::string url, OpenOptions options);
  ~PostgresDatabase() override { stop(); }

  Dialect dialect() const override { return Dialect::postgresql; }
  void stop() override;
  void announce(const std::string& word) override { bulletin_->announce(word); }
  void on_announced(std::function<void(const std::string&)> heard) override { bulletin_->listen(std::move(heard)); }

 protected:
  void enqueue_write(std::shared_ptr<Job> job) override { enqueue({std::move(job), false}); }
  void enqueue_read(std::shared_ptr<Job> job) override { enqueue({std::move(job), true}); }
  bool reads_inline() const override { return false; }
  void run_read(const std::function<void(Tx&)>& closure) override;

 private:
  struct Work {
    std::shared_ptr<Job> job;
    bool read_only = false;
  };
  // The pace of tries after failures.
  class Patience;

  void enqueue(Work work);
  void serve();
  void run(std::unique_ptr<PgConnection>& connection, const Work& work);
  void read_once(PgConnection& connection, Job& job);
  bool write_once(std::unique_ptr<PgConnection>& connection, Job& job);
  bool was_committed(std::unique_ptr<PgConnection>& connection, const std::string& transaction);
  void connect(std::unique_ptr<PgConnection>& connection);
  bool stopping();

  const std::string url_;
  const bool read_only_;
  std::unique_ptr<Bulletin> bulletin_;
  std::mutex mutex_;  // guards queue_, stopped_
  std::condition_variable work_;
  std::deque<Work> queue_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

class PostgresDatabase::Patience {
 public:
  // Waits a little longer each time; false when the time is over.
  bool wait() {
    if (Clock::now() >= until_) return false;
    thread_local std::minstd_rand random{std::random_device{}()};
    const auto pause = milliseconds(1 + static_cast<int>(random() % static_cast<unsigned>(pause_.count())));
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable().wait_for(lock, pause);
    pause_ = std::min(pause_ * 2, kLongestPause);
    return true;
  }

 private:
  Clock::time_point until_ = Clock::now() + kTriesFor;
  milliseconds pause_ = kFirstPause;
};

PostgresDatabase::PostgresDatabase(std::string url, OpenOptions options)
    : url_(std::move(url)), read_only_(options.read_only) {
  auto first = std::make_unique<PgConnection>(url_);  // here, so that a wrong URL is heard of at once
  first.reset();
  bulletin_ = std::make_unique<Bulletin>(url_);
  const int count = options.connections > 0 ? options.connections : kConnections;
  for (int i = 0; i < count; ++i) threads_.emplace_back([this] { serve(); });
}

void PostgresDatabase::stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
  bulletin_->stop();
}

void PostgresDatabase::enqueue(Work work) {
  {
    std::lock_guard lock(mutex_);
    if (!stopped_) {
      queue_.push_back(std::move(work));
      work_.notify_one();
      return;
    }
  }
  work.job->finish(std::make_exception_ptr(Failure("the database is closed")));
}

void PostgresDatabase::serve() {
  std::unique_ptr<PgConnection> connection;
  for (;;) {
    Work work;
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [this] { return stopped_ || !queue_.empty(); });
      if (queue_.empty()) return;  // stopped, and everything accepted is done
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    run(connection, work);
  }
}

bool PostgresDatabase::stopping() {
  std::lock_guard lock(mutex_);
  return stopped_;
}

void PostgresDatabase::connect(std::unique_ptr<PgConnection>& connection) {
  if (!connection || !connection->alive()) connection = std::make_unique<PgConnection>(url_);
}

void PostgresDatabase::run(std::unique_ptr<PgConnection>& connection, const Work& work) {
  Patience patience;
  std::exception_ptr error;
  for (;;) {
    try {
      connect(connection);
      if (work.read_only) read_once(*connection, *work.job);
      else if (!write_once(connection, *work.job)) continue;
      error = nullptr;
      break;
    } catch (const PgFailure& failure) {
      error = std::current_exception();
      if (connection) connection->rollback();
      const bool demoted = failure.read_only_server() && !work.read_only && !read_only_;
      if (demoted) connection.reset();  // the next one finds the new primary
      const bool may_mend = failure.transient() || demoted;
      if (!may_mend || (stopping() && failure.connection_lost()) || !patience.wait()) break;
      if (failure.connection_lost()) log::warn("the database went away, trying again: {}", failure.what());
    } catch (...) {
      error = std::current_exception();
      connection->rollback();
      break;
    }
  }
  work.job->finish(error);
}

void PostgresDatabase::read_once(PgConnection& connection, Job& job) {
  connection.command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  job.run(connection);
  connection.command("COMMIT");
}

// False when it has to be run again.
bool PostgresDatabase::write_once(std::unique_ptr<PgConnection>& connection, Job& job) {
  connection->command(read_only_ ? "BEGIN READ ONLY" : "BEGIN");
  if (!job.run(*connection)) {
    connection->rollback();
    return true;
  }
  // Asked only now, so that a closure that wrote nothing costs no transaction id.
  Tx& tx = *connection;
  const auto transaction = tx.first("SELECT CAST(pg_current_xact_id_if_assigned() AS TEXT)", {},
                                    [](const Row& row) { return row.str(0); });
  try {
    connection->command("COMMIT");
    return true;
  } catch (const PgFailure& failure) {
    if (!failure.connection_lost()) throw;
    log::warn("the database went away during a COMMIT; asking what became of it");
  }
  if (!transaction || transaction->empty()) return true;  // nothing was written
  return was_committed(connection, *transaction);
}

bool PostgresDatabase::was_committed(std::unique_ptr<PgConnection>& connection, const std::string& transaction) {
  Patience patience;
  for (;;) {
    try {
      connect(connection);
      Tx& tx = *connection;
      const auto next = tx.first("SELECT CAST(pg_current_xact_id() AS TEXT)", {}, [](const Row& row) { return row.str(0); });
      // A standby that was promoted may never have seen it; then it is not there.
      const bool unheard_of = std::stoull(transaction) >= std::stoull(next.value_or("0"));
      if (unheard_of) return false;
      const auto status = tx.first("SELECT pg_xact_status(CAST($1 AS xid8))", {transaction},
                                   [](const Row& row) { return row.str(0); });
      if (status == "committed") return true;
      if (status == "aborted") return false;
    } catch (const PgFailure&) {
      if (connection) connection->rollback();
    }
    if (!patience.wait())
      throw Failure("the connection was lost during a COMMIT and nobody can say what became of it; look before repeating");
  }
}

// ---- for threads that wait ----

class WaitingRead final : public Job {
 public:
  explicit WaitingRead(const std::function<void(Tx&)>& closure) : closure_(closure) {}
  bool run(Tx& tx) override {
    closure_(tx);
    return true;
  }
  void finish(std::exception_ptr error) override {
    if (error) done.set_exception(error);
    else done.set_value();
  }
  std::promise<void> done;

 private:
  const std::function<void(Tx&)>& closure_;
};

void PostgresDatabase::run_read(const std::function<void(Tx&)>& closure) {
  auto job = std::make_shared<WaitingRead>(closure);
  enqueue_read(job);
  job->done.get_future().get();
}

}  // namespace

bool is_postgresql(std::string_view url) {
  return url.starts_with("postgresql://") || url.starts_with("postgres://") || url.starts_with("postgresql+");
}

std::unique_ptr<Database> open_postgresql(const std::string& url, OpenOptions options) {
  // SQLAlchemy names its driver in the scheme.
  return std::make_unique<PostgresDatabase>("postgresql" + url.substr(url.find("://")), options);
}

}  // namespace fluxgate::db

#include "db/sqlite.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <thread>

#include "base/log.h"
#include "db/sqlite_connection.h"
#include "db/sqlite_lock.h"
#include "db/write_group.h"

namespace fluxgate::db {
namespace {

using Clock = std::chrono::steady_clock;

// One transaction takes what is queued, but no more than this, so that the first in it does not wait
// for ever for its answer.
constexpr std::size_t kGroupJobs = 1024;
constexpr auto kGroupTime = std::chrono::milliseconds(50);

constexpr std::int64_t kPageBytes = 4096;
constexpr std::int64_t kCheckpointPages = 4 * 1024 * 1024 / kPageBytes;
// At this length the writer folds the log back itself: its callers wait a moment instead of the disk filling.
constexpr std::int64_t kForcedPages = 48 * 1024 * 1024 / kPageBytes;
constexpr std::int64_t kAlertPages = 64 * 1024 * 1024 / kPageBytes;

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(const std::string& path, OpenOptions options);
  ~SqliteDatabase() override { stop(); }

  Dialect dialect() const override { return Dialect::sqlite; }
  void stop() override;

 protected:
  void enqueue_write(std::shared_ptr<Job> job) override;
  void enqueue_read(std::shared_ptr<Job> job) override { enqueue_write(std::move(job)); }
  bool reads_inline() const override { return !in_memory_; }
  void run_read(const std::function<void(Tx&)>& closure) override;

 private:
  void write_loop();
  std::shared_ptr<Job> next_of_group(std::size_t& taken, Clock::time_point started);
  void checkpoint_loop();
  SqliteConnection& reader();
  static int on_wal_commit(void* self, sqlite3*, const char*, int pages);

  const std::string path_;
  const bool in_memory_;
  const std::uint64_t generation_;  // tells databases apart in a thread's cache of readers
  std::unique_ptr<ServerLock> lock_;
  std::unique_ptr<SqliteConnection> writer_;
  std::int64_t written_pages_ = 0;  // length of the log after the last commit; the writer's thread only

  std::mutex mutex_;  // guards queue_, stopped_
  std::condition_variable work_;
  std::deque<std::shared_ptr<Job>> queue_;
  bool stopped_ = false;

  std::mutex readers_mutex_;
  std::map<std::thread::id, std::unique_ptr<SqliteConnection>> readers_;

  std::mutex checkpointing_;  // held during a checkpoint
  std::mutex checkpoint_mutex_;
  std::condition_variable checkpoint_wanted_;
  std::int64_t wal_pages_ = 0;
  bool checkpoint_stopped_ = false;

  std::thread writer_thread_;
  std::thread checkpoint_thread_;
};

std::uint64_t next_generation() {
  static std::atomic<std::uint64_t> counter{0};
  return ++counter;
}

void pragma(SqliteConnection& connection, const char* sql) {
  Tx& tx = connection;
  tx.each(sql, {}, [](const Row&) {});
}

SqliteDatabase::SqliteDatabase(const std::string& path, OpenOptions options)
    : path_(path), in_memory_(path == ":memory:"), generation_(next_generation()) {
  if (options.exclusive_server && !in_memory_) lock_ = std::make_unique<ServerLock>(path);
  auto mode = options.read_only ? SqliteConnection::Mode::read_only : SqliteConnection::Mode::read_write;
  writer_ = std::make_unique<SqliteConnection>(path, mode);
  if (!options.read_only) {
    pragma(*writer_, "PRAGMA journal_mode = WAL");
    pragma(*writer_, "PRAGMA synchronous = FULL");
    pragma(*writer_, "PRAGMA wal_autocheckpoint = 0");
    pragma(*writer_, "PRAGMA cache_size = -8192");
    sqlite3_wal_hook(writer_->handle(), &SqliteDatabase::on_wal_commit, this);
  }
  writer_thread_ = std::thread([this] { write_loop(); });
  if (!in_memory_ && !options.read_only) checkpoint_thread_ = std::thread([this] { checkpoint_loop(); });
}

void SqliteDatabase::stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  work_.notify_one();
  if (writer_thread_.joinable()) writer_thread_.join();
  {
    std::lock_guard lock(checkpoint_mutex_);
    checkpoint_stopped_ = true;
  }
  checkpoint_wanted_.notify_one();
  if (checkpoint_thread_.joinable()) checkpoint_thread_.join();
}

// ---- writing ----

void SqliteDatabase::enqueue_write(std::shared_ptr<Job> job) {
  {
    std::lock_guard lock(mutex_);
    if (!stopped_) {
      queue_.push_back(std::move(job));
      work_.notify_one();
      return;
    }
  }
  job->finish(std::make_exception_ptr(Failure("the database is closed")));
}

void SqliteDatabase::write_loop() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [this] { return stopped_ || !queue_.empty(); });
      if (queue_.empty()) return;  // stopped, and everything accepted is done
    }
    const auto started = Clock::now();
    std::size_t taken = 0;
    run_group(*writer_, [&] { return next_of_group(taken, started); });
    if (written_pages_ >= kForcedPages) {
      written_pages_ = 0;
      // One at a time: SQLite answers a second checkpoint with BUSY at once and asks no busy handler.
      std::lock_guard alone(checkpointing_);
      sqlite3_wal_checkpoint_v2(writer_->handle(), nullptr, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
    }
  }
}

std::shared_ptr<Job> SqliteDatabase::next_of_group(std::size_t& taken, Clock::time_point started) {
  if (taken >= kGroupJobs || Clock::now() - started > kGroupTime) return nullptr;
  std::lock_guard lock(mutex_);
  if (queue_.empty()) return nullptr;
  auto job = std::move(queue_.front());
  queue_.pop_front();
  ++taken;
  return job;
}

// ---- reading ----

SqliteConnection& SqliteDatabase::reader() {
  struct Cached {
    std::uint64_t generation = 0;
    SqliteConnection* connection = nullptr;
  };
  thread_local Cached cached;
  if (cached.generation != generation_) {
    std::lock_guard lock(readers_mutex_);
    auto& mine = readers_[std::this_thread::get_id()];
    if (!mine) mine = std::make_unique<SqliteConnection>(path_, SqliteConnection::Mode::read_only);
    cached = {generation_, mine.get()};
  }
  return *cached.connection;
}

void SqliteDatabase::run_read(const std::function<void(Tx&)>& closure) {
  if (in_memory_) {
    write_now([&closure](Tx& tx) { closure(tx); }, {});  // who gave it tells of it
    return;
  }
  SqliteConnection& connection = reader();
  if (connection.in_transaction()) {  // a read inside a read shares its snapshot
    closure(connection);
    return;
  }
  connection.exec("BEGIN");
  try {
    closure(connection);
  } catch (...) {
    connection.rollback();
    throw;
  }
  connection.exec("COMMIT");
}

// ---- checkpoints ----

int SqliteDatabase::on_wal_commit(void* self, sqlite3*, const char*, int pages) {
  auto& database = *static_cast<SqliteDatabase*>(self);
  database.written_pages_ = pages;
  if (pages >= kCheckpointPages) {
    std::lock_guard lock(database.checkpoint_mutex_);
    database.wal_pages_ = pages;
    database.checkpoint_wanted_.notify_one();
  }
  return SQLITE_OK;
}

void SqliteDatabase::checkpoint_loop() {
  SqliteConnection connection(path_, SqliteConnection::Mode::read_write);
  // A connection that has read nothing yet does not know that the file has a write-ahead log, and its
  // checkpoints do nothing, successfully.
  pragma(connection, "PRAGMA schema_version");
  Clock::time_point alerted{};
  for (;;) {
    std::int64_t pages = 0;
    {
      std::unique_lock lock(checkpoint_mutex_);
      checkpoint_wanted_.wait(lock, [this] { return checkpoint_stopped_ || wal_pages_ >= kCheckpointPages; });
      if (checkpoint_stopped_) break;
      pages = std::exchange(wal_pages_, 0);
    }
    if (pages >= kAlertPages && Clock::now() - alerted > std::chrono::minutes(1)) {
      alerted = Clock::now();
      log::warn("the write-ahead log has grown to {} MB: checkpoints do not keep up", pages * kPageBytes / 1024 / 1024);
    }
    // Passive: it never waits for the writer, which starts the log over itself when it has grown.
    std::lock_guard alone(checkpointing_);
    sqlite3_wal_checkpoint_v2(connection.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  }
  sqlite3_wal_checkpoint_v2(connection.handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
}

}  // namespace

std::unique_ptr<Database> open_sqlite(const std::string& path, OpenOptions options) {
  return std::make_unique<SqliteDatabase>(path, options);
}

}  // namespace fluxgate::db

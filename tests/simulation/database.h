// The database of the simulation. One thread.
#pragma once

#include <deque>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "crash_disk.h"
#include "db/sqlite_connection.h"
#include "clock.h"

namespace fluxgate::simulation {

// The database of all nodes: closures wait until the voyage runs them, in groups as the real writer does; in memory,
// or on a disk that can lose power.
class SimDatabase final : public db::Database {
 public:
  SimDatabase(CrashDisk* disk, const Clock& clock) : disk_(disk), clock_(clock) { open(); }
  db::Dialect dialect() const override { return db::Dialect::sqlite; }
  void stop() override {}

  // Whose closures come in now; "" runs them at once.
  void hear(const std::string& node) { node_ = node; }
  // Runs what waits, in groups of random size.
  void run_waiting(std::mt19937_64& random);
  // A process died: of its closures that were not run nothing becomes anything, nor of those it may still give.
  void forget(const std::string& node);
  // Around a crash of the disk.
  void close() { connection_.reset(); }
  void open();

  // Once the tables are there.
  void watch_owners();
  std::string trespass;  // what that found
  // Nodes that have just committed that a paid request is about to go out, once each.
  std::set<std::string> about_to_pay;

  // Words between nodes, until somebody takes them.
  void announce(const std::string& word) override { words.push_back(word); }
  std::vector<std::string> words;

  std::function<bool()> fail_commit = [] { return false; };
  // What was committed is told to have failed: nobody can say what became of it.
  std::function<bool()> fail_to_tell = [] { return false; };
  std::int64_t commits = 0;

 protected:
  void enqueue_write(std::shared_ptr<db::Job> job) override;
  void enqueue_read(std::shared_ptr<db::Job> job) override { enqueue_write(std::move(job)); }
  bool reads_inline() const override { return true; }
  void run_read(const std::function<void(db::Tx&)>& closure) override { closure(*connection_); }

 private:
  CrashDisk* disk_;
  const Clock& clock_;
  std::string node_, at_work_;
  std::set<std::string> dead_;
  std::deque<std::pair<std::string, std::shared_ptr<db::Job>>> waiting_;
  std::unique_ptr<db::SqliteConnection> connection_;
};

}  // namespace fluxgate::simulation

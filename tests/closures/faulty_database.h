// A database in front of a real one that lets statements of write closures fail on purpose and looks at what is
// left of the closure. Closures run on the caller's thread, one transaction each, as many threads as callers.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "db/database.h"
#include "register.h"

namespace fluxgate::closures {

// Every row of every table of ours, a line each.
using Contents = std::map<std::string, std::string>;
Contents contents_of(db::Database& database);
// The first differences, for people; "" when there is none.
std::string difference(const Contents& before, const Contents& after);

class FaultyDatabase final : public db::Database {
 public:
  // Of a database that has its tables.
  explicit FaultyDatabase(std::string url);

  // From now on the n-th statement (from 1) of write closures fails, once; the end of a closure, after its last
  // statement, counts as one too. For one thread at a time: what others see meanwhile is what must be there afterwards.
  void fail_at(int n);
  // Whether it came to that, and what of the closure was left nevertheless ("" = nothing).
  bool has_failed() const { return failed_; }
  const std::string& left() const { return left_; }

  // From now on each line of the product that gives closures has its first one fail at its first statement, its next at
  // the second and so on, until one gets through; longer ones go on from there. For a thread that works on its own,
  // as the engine does, and tries again what failed. left() gathers.
  void fail_each_in_turn(bool on = true) { in_turn_ = on; }
  // How many failed so, until now.
  int failed_in_turn() const { return failed_in_turn_; }

  // From now on each statement fails with this probability, in per mille; for many threads.
  void fail_by_chance(int per_mille) { per_mille_ = per_mille; }
  int failures() const { return failures_; }

  db::Database& inner() { return *inner_; }
  db::Dialect dialect() const override { return inner_->dialect(); }
  void stop() override;

 protected:
  void enqueue_write(std::shared_ptr<db::Job> job) override;
  void enqueue_read(std::shared_ptr<db::Job> job) override;
  bool reads_inline() const override { return true; }
  void run_read(const std::function<void(db::Tx&)>& closure) override;

 private:
  class FaultyTx;
  void step();
  std::exception_ptr run(db::Job& job);
  std::exception_ptr run_in_turn(db::Job& job);
  db::Database& onlooker();

  const std::string url_;
  const std::unique_ptr<db::Database> inner_;
  std::unique_ptr<db::Database> onlooker_;  // another session: it sees what was committed
  int until_failure_ = 0;
  bool failed_ = false, in_turn_ = false;
  Contents seen_;  // by others, when it failed
  std::string left_;
  std::map<std::string, int> turns_;  // by line, the statement that fails next
  int failed_in_turn_ = 0;
  std::atomic<int> per_mille_{0}, failures_{0};
};

}  // namespace fluxgate::closures

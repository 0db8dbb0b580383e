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

// How the closures of each line of the product that gives any fail.
enum class Failing {
  not_at_all,
  // The first at its first statement, the next at the second and so on, until one gets through; longer ones go on from there.
  in_turn,
  // The first, third, fifth and seventh are committed, and whoever gave them is told that they failed: as when the database
  // went away before it could answer, and nobody can say what became of the COMMIT.
  untold,
};

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

  // From now on closures fail so. For a thread that works on its own, as the engine does, and tries again what failed.
  // left() gathers.
  void let_fail(Failing how) { failing_ = how; }
  // How many failed so, until now.
  int failed_so() const { return failed_so_; }

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
  std::exception_ptr run_untold(db::Job& job);
  db::Database& onlooker();

  const std::string url_;
  const std::unique_ptr<db::Database> inner_;
  std::unique_ptr<db::Database> onlooker_;  // another session: it sees what was committed
  int until_failure_ = 0;
  bool failed_ = false;
  Failing failing_ = Failing::not_at_all;
  Contents seen_;  // by others, when it failed
  std::string left_;
  std::map<std::string, int> turns_;  // by line, the statement that fails next
  std::map<std::string, int> commits_;  // by line
  int failed_so_ = 0;
  std::atomic<int> per_mille_{0}, failures_{0};
};

}  // namespace fluxgate::closures

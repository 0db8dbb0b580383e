// A database in front of a real one that lets statements of write closures fail on purpose and looks at what is
// left of the closure. Closures run on the caller's thread, one transaction each, as many threads as callers.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "db/database.h"

namespace fluxgate::closures {

// Every row of every table of ours, as text.
using Contents = std::map<std::string, std::multiset<std::string>>;
Contents contents_of(db::Database& database);
// The first differences, for people; "" when there is none.
std::string difference(const Contents& before, const Contents& after);

class FaultyDatabase final : public db::Database {
 public:
  explicit FaultyDatabase(std::unique_ptr<db::Database> inner) : inner_(std::move(inner)) {}

  // From now on the n-th statement (from 1) of write closures fails, once; the end of a closure, after its last
  // statement, counts as one too. For one thread at a time: the contents before and after are compared.
  void fail_at(int n);
  // Whether it came to that, and what of the closure was left nevertheless ("" = nothing).
  bool has_failed() const { return failed_; }
  const std::string& left() const { return left_; }

  // From now on each statement fails with this probability, in per mille; for many threads.
  void fail_by_chance(int per_mille) { per_mille_ = per_mille; }
  int failures() const { return failures_; }

  db::Database& inner() { return *inner_; }
  db::Dialect dialect() const override { return inner_->dialect(); }
  void stop() override { inner_->stop(); }

 protected:
  void enqueue_write(std::shared_ptr<db::Job> job) override;
  void enqueue_read(std::shared_ptr<db::Job> job) override;
  bool reads_inline() const override { return true; }
  void run_read(const std::function<void(db::Tx&)>& closure) override;

 private:
  class FaultyTx;
  void step();

  std::unique_ptr<db::Database> inner_;
  int until_failure_ = 0;
  bool failed_ = false;
  std::string left_;
  std::atomic<int> per_mille_{0}, failures_{0};
};

}  // namespace fluxgate::closures

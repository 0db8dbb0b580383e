// A database whose closures fail at a chosen statement, over a real one: for the question whether anything of a
// closure that fails half-way stays behind.
#pragma once

#include "db/database.h"

namespace fluxgate::closures {

// Passes statements on and throws instead of the n-th.
class FaultyTx final : public db::Tx {
 public:
  FaultyTx(db::Tx& tx, int fail_at, int& statements) : tx_(tx), fail_at_(fail_at), statements_(statements) {}
  db::Dialect dialect() const override { return tx_.dialect(); }

 private:
  std::int64_t do_exec(std::string_view sql, std::span<const db::Param> params) override;
  void do_query(std::string_view sql, std::span<const db::Param> params,
                const std::function<void(const db::Row&)>& on_row) override;
  void count();

  db::Tx& tx_;
  const int fail_at_;
  int& statements_;
};

class FaultyDatabase final : public db::Database {
 public:
  // Statement `fail_at` of the write closures, counted from 1, is not run; 0 lets all pass.
  FaultyDatabase(db::Database& real, int fail_at) : real_(real), fail_at_(fail_at) {}
  db::Dialect dialect() const override { return real_.dialect(); }
  void stop() override {}
  int statements() const { return statements_; }

 protected:
  void enqueue_write(std::shared_ptr<db::Job> job) override;
  void enqueue_read(std::shared_ptr<db::Job> job) override;
  bool reads_inline() const override { return true; }
  void run_read(const std::function<void(db::Tx&)>& closure) override {
    real_.read_now([&closure](db::Tx& tx) { closure(tx); });
  }

 private:
  db::Database& real_;
  const int fail_at_;
  int statements_ = 0;
};

}  // namespace fluxgate::closures

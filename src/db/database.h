// The database as the rest of the product sees it: closures of plain synchronous SQL that run in a
// transaction (DESIGN §5.1). Where and when they run is this folder's business.
//
//   auto balance = co_await db.write([user_id](db::Tx& tx) -> Result<Credits> { ... });
//
// Contract of a write closure:
//  - it captures by value, may run more than once, and has no effect outside its Tx; ids and times
//    are made before;
//  - it tests before it writes: a refusal (an error Result) must have changed nothing. If it did
//    write and then refuses or throws, what it wrote is rolled back and only its caller hears of it;
//  - nobody is answered before COMMIT; if COMMIT fails, every caller in it gets the exception.
// On SQLite one writer thread runs many closures in one transaction, in order. On PostgreSQL they run
// side by side, so every rule sits in a conditional write, a unique index or behind FOR UPDATE.
//
// SQL is written once for both engines: parameters are $1, $2 …; upserts are ON CONFLICT; text, bigint
// and double are the only types. `tx.for_update()` is " FOR UPDATE" where the engine has it, else "".
//
// Infrastructure failures (disk full, connection lost, SQL that does not parse) throw db::Failure. They are logged with
// the line that gave the closure, and so is a closure that keeps its transaction open for long (job.cpp).
// Thread-safe. The database outlives every coroutine that waits on it.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/coro.h"
#include "base/money.h"
#include "base/result.h"

namespace fluxgate::db {

class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Dialect { sqlite, postgresql };

// A value bound to a statement. Text is borrowed until the statement has run.
class Param {
 public:
  Param(std::nullptr_t) {}
  Param(std::nullopt_t) {}
  template <std::integral T>
  Param(T n) : value_(static_cast<std::int64_t>(n)) {}
  Param(double n) : value_(n) {}
  Param(Credits c) : value_(c.in_thousandths()) {}
  Param(std::string_view text) : value_(text) {}
  Param(const std::string& text) : value_(std::string_view(text)) {}
  Param(const char* text) : value_(std::string_view(text)) {}
  template <class T>
  Param(const std::optional<T>& maybe) {
    if (maybe) value_ = Param(*maybe).value_;
  }

  using Value = std::variant<std::monostate, std::int64_t, double, std::string_view>;
  const Value& value() const { return value_; }

 private:
  Value value_;
};
using Params = std::initializer_list<Param>;

// One row of an answer. Columns count from 0 in SELECT order. Text lives until the row callback returns.
class Row {
 public:
  virtual ~Row() = default;
  virtual bool is_null(int column) const = 0;
  virtual std::int64_t i64(int column) const = 0;  // 0 for NULL
  virtual double real(int column) const = 0;
  virtual std::string_view text(int column) const = 0;  // "" for NULL

  std::string str(int column) const { return std::string(text(column)); }
  bool flag(int column) const { return i64(column) != 0; }
  Credits credits(int column) const { return Credits::thousandths(i64(column)); }
  std::optional<std::string> maybe_str(int column) const {
    if (is_null(column)) return std::nullopt;
    return str(column);
  }
  std::optional<std::int64_t> maybe_i64(int column) const {
    if (is_null(column)) return std::nullopt;
    return i64(column);
  }
};

// What a closure works with. Usable only inside the closure, on the thread that runs it.
class Tx {
 public:
  virtual ~Tx() = default;
  virtual Dialect dialect() const = 0;

  // Runs a statement that returns nothing; the number of rows it changed.
  std::int64_t exec(std::string_view sql, Params params = {}) { return do_exec(sql, {params.begin(), params.size()}); }

  // Calls `on_row(const Row&)` for each row.
  template <class F>
  void each(std::string_view sql, Params params, F&& on_row) {
    do_query(sql, {params.begin(), params.size()}, [&](const Row& row) { on_row(row); });
  }

  // `map(const Row&)` of the first row, or nullopt.
  template <class F>
  auto first(std::string_view sql, Params params, F&& map) {
    std::optional<std::invoke_result_t<F&, const Row&>> found;
    do_query(sql, {params.begin(), params.size()}, [&](const Row& row) {
      if (!found) found.emplace(map(row));
    });
    return found;
  }

  // `map(const Row&)` of every row.
  template <class F>
  auto all(std::string_view sql, Params params, F&& map) {
    std::vector<std::invoke_result_t<F&, const Row&>> rows;
    do_query(sql, {params.begin(), params.size()}, [&](const Row& row) { rows.push_back(map(row)); });
    return rows;
  }

  // The first column of the first row as a number; 0 when there is none.
  std::int64_t number(std::string_view sql, Params params = {}) {
    auto n = first(sql, params, [](const Row& row) { return row.i64(0); });
    return n.value_or(0);
  }

  std::string_view for_update() const { return dialect() == Dialect::postgresql ? " FOR UPDATE" : ""; }

 private:
  virtual std::int64_t do_exec(std::string_view sql, std::span<const Param> params) = 0;
  virtual void do_query(std::string_view sql, std::span<const Param> params,
                        const std::function<void(const Row&)>& on_row) = 0;
};

// A closure on its way through the database. Internal to this folder and Database's templates.
class Job {
 public:
  // `given_by` is where the closure stands; without a line it is somebody else's, who tells of it.
  explicit Job(std::source_location given_by = {}) : given_by_(given_by) {}
  virtual ~Job() = default;
  // Runs the closure. False when it refused (an error Result).
  bool run(Tx& tx);
  // Called once, after COMMIT (no error) or when all is lost (error). From any thread.
  void finish(std::exception_ptr error);
  // "src/tasks/submit.cpp:117"
  std::string place() const;

 private:
  virtual bool do_run(Tx& tx) = 0;
  virtual void do_finish(std::exception_ptr error) = 0;
  const std::source_location given_by_;
};

class Database {
 public:
  virtual ~Database() = default;
  virtual Dialect dialect() const = 0;

  template <class F, class R = std::invoke_result_t<F&, Tx&>>
  awaitable<R> write(F closure, std::source_location given_by = std::source_location::current());
  // A read-only closure on a snapshot; bounded work only (SQLite runs it on the calling thread).
  template <class F, class R = std::invoke_result_t<F&, Tx&>>
  awaitable<R> read(F closure, std::source_location given_by = std::source_location::current());

  // For command line tools, start-up and tests: the calling thread waits. Never on an I/O thread.
  template <class F, class R = std::invoke_result_t<F&, Tx&>>
  R write_now(F closure, std::source_location given_by = std::source_location::current());
  template <class F, class R = std::invoke_result_t<F&, Tx&>>
  R read_now(F closure, std::source_location given_by = std::source_location::current());

  // Says a word to the other nodes of a shared database, after what it is about was committed; it may be lost.
  // No effect where there are no other nodes.
  virtual void announce(const std::string& word) { static_cast<void>(word); }
  // Called on a thread of the database with each word of another node; "*": there were more than could be sent.
  virtual void on_announced(std::function<void(const std::string&)> heard) { static_cast<void>(heard); }

  // Finishes what was accepted, then refuses. Called once, after the servers have stopped.
  virtual void stop() = 0;

 protected:
  virtual void enqueue_write(std::shared_ptr<Job> job) = 0;
  // True when the job was run and finished before returning (SQLite); else it will finish later.
  virtual void enqueue_read(std::shared_ptr<Job> job) = 0;
  virtual bool reads_inline() const = 0;
  virtual void run_read(const std::function<void(Tx&)>& closure) = 0;
};

// Opens `url`: "sqlite:///relative.db", "sqlite:////absolute.db", ":memory:" or "postgresql://…".
// Throws db::Failure with a sentence that says what to do.
struct OpenOptions {
  bool read_only = false;
  bool exclusive_server = false;  // take the lock that keeps a second `serve` away (SQLite)
  int connections = 0;            // of the pool (PostgreSQL); 0 = 8
};
std::unique_ptr<Database> open(const std::string& url, OpenOptions options = {});

// ---- implementation of the templates ----

namespace detail {

template <class T>
inline constexpr bool is_result = false;
template <class T, class E>
inline constexpr bool is_result<std::expected<T, E>> = true;

template <class F, class R>
class ClosureJob final : public Job {
 public:
  ClosureJob(F closure, std::function<void(std::exception_ptr)> done, std::source_location given_by)
      : Job(given_by), closure_(std::move(closure)), done_(std::move(done)) {}

  R take() {
    if constexpr (!std::is_void_v<R>) return std::move(*value_);
  }

 private:
  bool do_run(Tx& tx) override {
    if constexpr (std::is_void_v<R>) {
      closure_(tx);
      return true;
    } else {
      value_.emplace(closure_(tx));
      if constexpr (is_result<R>) return value_->has_value();
      return true;
    }
  }
  void do_finish(std::exception_ptr error) override { done_(error); }

  struct Nothing {};
  F closure_;
  std::optional<std::conditional_t<std::is_void_v<R>, Nothing, R>> value_;
  std::function<void(std::exception_ptr)> done_;
};

}  // namespace detail

}  // namespace fluxgate::db

#include "db/database_inl.h"

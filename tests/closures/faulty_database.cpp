#include "faulty_database.h"

#include <array>
#include <random>
#include <set>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "db/outcome_unknown.h"
#include "db/post.h"
#include "db/schema.h"

namespace fluxgate::closures {
namespace {

// A run-time number of parameters as the list that Tx takes.
constexpr std::size_t kParamsMax = 40;

template <class F, std::size_t... I>
void call_with(std::span<const db::Param> params, const F& f, std::index_sequence<I...>) {
  f({params[I]...});
}
template <class F, std::size_t... N>
void call_with_any(std::span<const db::Param> params, const F& f, std::index_sequence<N...>) {
  using Call = void (*)(std::span<const db::Param>, const F&);
  static constexpr std::array<Call, sizeof...(N)> calls{
      [](std::span<const db::Param> p, const F& g) { call_with(p, g, std::make_index_sequence<N>()); }...};
  calls.at(params.size())(params, f);
}

// One statement, so that it is one look at all tables.
std::string all_rows(db::Dialect engine) {
  std::string sql;
  for (const db::Table& table : db::tables()) {
    std::string row;
    for (const db::Column& column : table.columns) row += fmt::format("{}quote(\"{}\")", row.empty() ? "" : " || ', ' || ", column.name);
    const std::string rows = engine == db::Dialect::sqlite ? fmt::format("group_concat({}, char(10)) FROM \"{}\"", row, table.name)
                                                           : fmt::format("string_agg(t::text, chr(10) ORDER BY t::text) FROM \"{}\" t", table.name);
    sql += fmt::format("{}SELECT '{}', (SELECT {})", sql.empty() ? "" : " UNION ALL ", table.name, rows);
  }
  return sql;
}

std::multiset<std::string> lines_of(const std::string& text) {
  std::multiset<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.insert(line);
  return lines;
}

}  // namespace

Contents contents_of(db::Database& database) {
  static const std::map<db::Dialect, std::string> sql{{db::Dialect::sqlite, all_rows(db::Dialect::sqlite)},
                                                      {db::Dialect::postgresql, all_rows(db::Dialect::postgresql)}};
  Contents contents;
  database.read_now([&](db::Tx& tx) {
    tx.each(sql.at(tx.dialect()), {}, [&](const db::Row& row) { contents.emplace(row.text(0), row.text(1)); });
  });
  return contents;
}

std::string difference(const Contents& before, const Contents& after) {
  std::string text;
  for (const auto& [table, rows] : before) {
    if (rows == after.at(table)) continue;
    const auto old = lines_of(rows), now = lines_of(after.at(table));
    for (const auto& row : now)
      if (!old.contains(row)) text += fmt::format("{} + {}\n", table, row.substr(0, 300));
    for (const auto& row : old)
      if (!now.contains(row)) text += fmt::format("{} - {}\n", table, row.substr(0, 300));
  }
  return text;
}

// Hands statements on, or throws instead.
class FaultyDatabase::FaultyTx final : public db::Tx, public db::Posting {
 public:
  FaultyTx(db::Tx& inner, FaultyDatabase& database) : inner_(inner), database_(database) {}
  db::Dialect dialect() const override { return inner_.dialect(); }
  void post(std::string_view sql, std::span<const db::Param> params) override {
    database_.step();
    call_with_any(params, [&](db::Params list) { db::post(inner_, sql, list); }, std::make_index_sequence<kParamsMax>());
  }

 private:
  std::int64_t do_exec(std::string_view sql, std::span<const db::Param> params) override {
    database_.step();
    std::int64_t changed = 0;
    call_with_any(params, [&](db::Params list) { changed = inner_.exec(sql, list); }, std::make_index_sequence<kParamsMax>());
    return changed;
  }
  void do_query(std::string_view sql, std::span<const db::Param> params,
                const std::function<void(const db::Row&)>& on_row) override {
    database_.step();
    call_with_any(params, [&](db::Params list) { inner_.each(sql, list, on_row); }, std::make_index_sequence<kParamsMax>());
  }

  db::Tx& inner_;
  FaultyDatabase& database_;
};

FaultyDatabase::FaultyDatabase(std::string url) : url_(std::move(url)), inner_(db::open(url_, {.connections = 16})) {}

void FaultyDatabase::stop() {
  inner_->stop();
  if (onlooker_) onlooker_->stop();
}

db::Database& FaultyDatabase::onlooker() {
  if (!onlooker_) onlooker_ = db::open(url_, {.read_only = true, .connections = 1});
  return *onlooker_;
}

void FaultyDatabase::fail_at(int n) {
  until_failure_ = n;
  failed_ = false;
  left_.clear();
}

void FaultyDatabase::step() {
  if (const int per_mille = per_mille_; per_mille != 0) {
    thread_local std::minstd_rand random{std::random_device{}()};
    if (static_cast<int>(random() % 1'000) < per_mille) {
      ++failures_;
      throw db::Failure("this statement fails by chance");
    }
  }
  if (until_failure_ == 0 || --until_failure_ != 0) return;
  if (!std::exchange(failed_, true)) seen_ = contents_of(onlooker());
  throw db::Failure("this statement fails on purpose");
}

void FaultyDatabase::enqueue_write(std::shared_ptr<db::Job> job) {
  note_run(dialect(), *job);
  switch (failing_) {
    case Failing::not_at_all: return job->finish(run(*job));
    case Failing::in_turn: return job->finish(run_in_turn(*job));
    case Failing::untold: return job->finish(run_untold(*job));
  }
}

std::exception_ptr FaultyDatabase::run_in_turn(db::Job& job) {
  int& next = turns_.try_emplace(job.place(), 1).first->second;
  failed_ = false;
  until_failure_ = next;
  auto error = run(job);
  until_failure_ = 0;
  if (failed_) ++next, ++failed_so_;
  return error;
}

std::exception_ptr FaultyDatabase::run_untold(db::Job& job) {
  auto error = run(job);
  if (error) return error;
  const int number = ++commits_[job.place()];
  if (number % 2 == 0 || number > 7) return error;
  ++failed_so_;
  return std::make_exception_ptr(db::OutcomeUnknown());
}

std::exception_ptr FaultyDatabase::run(db::Job& job) {
  const int until_failure = until_failure_;
  std::exception_ptr error;
  try {
    static_cast<void>(inner_->write_now([this, &job, until_failure](db::Tx& tx) -> Result<void> {
      if (until_failure != 0) until_failure_ = until_failure;  // it fails again when it is run again, as the writer does
      FaultyTx faulty(tx, *this);
      const bool agreed = job.run(faulty);
      step();
      if (!agreed) return fail(Errc::conflict, "refused", {"refused", "拒绝"});
      return {};
    }));
  } catch (...) {
    error = std::current_exception();
  }
  if (until_failure == 0 || !failed_) return error;
  until_failure_ = 0;
  const std::string left = difference(seen_, contents_of(onlooker()));
  left_ += left;
  if (left.empty()) note_failed(dialect(), job);
  return error;
}

void FaultyDatabase::enqueue_read(std::shared_ptr<db::Job> job) {
  std::exception_ptr error;
  try {
    inner_->read_now([&job](db::Tx& tx) { job->run(tx); });
  } catch (...) {
    error = std::current_exception();
  }
  job->finish(error);
}

void FaultyDatabase::run_read(const std::function<void(db::Tx&)>& closure) {
  inner_->read_now([&closure](db::Tx& tx) { closure(tx); });
}

}  // namespace fluxgate::closures

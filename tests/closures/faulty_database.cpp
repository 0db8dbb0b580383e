#include "faulty_database.h"

#include <array>
#include <utility>

#include <fmt/format.h>

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

std::string row_text(const db::Row& row, std::size_t columns) {
  std::string text;
  for (std::size_t i = 0; i < columns; ++i) {
    const int column = static_cast<int>(i);
    text += row.is_null(column) ? "NULL|" : fmt::format("{}|", row.text(column));
  }
  return text;
}

}  // namespace

Contents contents_of(db::Database& database) {
  return database.read_now([](db::Tx& tx) {
    Contents contents;
    for (const db::Table& table : db::tables()) {
      std::string columns;
      for (const db::Column& column : table.columns) columns += fmt::format("{}\"{}\"", columns.empty() ? "" : ", ", column.name);
      auto& rows = contents[std::string(table.name)];
      tx.each(fmt::format("SELECT {} FROM \"{}\"", columns, table.name), {},
              [&](const db::Row& row) { rows.insert(row_text(row, table.columns.size())); });
    }
    return contents;
  });
}

std::string difference(const Contents& before, const Contents& after) {
  std::string text;
  for (const auto& [table, rows] : before) {
    const auto& now = after.at(table);
    if (rows == now) continue;
    for (const auto& row : now)
      if (!rows.contains(row)) text += fmt::format("{} + {}\n", table, row.substr(0, 300));
    for (const auto& row : rows)
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
  failed_ = true;
  throw db::Failure("this statement fails on purpose");
}

void FaultyDatabase::enqueue_write(std::shared_ptr<db::Job> job) {
  const int until_failure = until_failure_;
  const bool watched = until_failure != 0;
  Contents before;
  if (watched) before = contents_of(*inner_);
  std::exception_ptr error;
  try {
    static_cast<void>(inner_->write_now([this, &job, until_failure](db::Tx& tx) -> Result<void> {
      until_failure_ = until_failure;  // it fails again when it is run again, as the writer does after a failure
      FaultyTx faulty(tx, *this);
      const bool agreed = job->run(faulty);
      step();
      if (!agreed) return fail(Errc::conflict, "refused", {"refused", "拒绝"});
      return {};
    }));
  } catch (...) {
    error = std::current_exception();
  }
  if (failed_) until_failure_ = 0;
  if (watched && failed_) left_ = difference(before, contents_of(*inner_));
  job->finish(error);
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

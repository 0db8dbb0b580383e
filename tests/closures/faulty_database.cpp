#include "faulty_database.h"

namespace fluxgate::closures {
namespace {

constexpr std::size_t kParamsMax = 32;

// Calls `f` with the parameters as the list that Tx takes.
template <class F, std::size_t... I>
auto with_list(std::span<const db::Param> params, F&& f, std::index_sequence<I...>) {
  return f({params[I]...});
}
template <std::size_t N = 0, class F>
auto spread(std::span<const db::Param> params, F&& f) {
  if constexpr (N <= kParamsMax) {
    if (params.size() == N) return with_list(params, f, std::make_index_sequence<N>());
    return spread<N + 1>(params, std::forward<F>(f));
  } else {
    throw std::runtime_error("more parameters than this test expects");
    return f({});
  }
}

Error refused() { return Error(Errc::conflict, "refused", {"refused", "拒绝"}); }

}  // namespace

void FaultyTx::count() {
  if (++statements_ == fail_at_) throw std::runtime_error("planted failure");
}

std::int64_t FaultyTx::do_exec(std::string_view sql, std::span<const db::Param> params) {
  count();
  return spread(params, [&](db::Params list) { return tx_.exec(sql, list); });
}

void FaultyTx::do_query(std::string_view sql, std::span<const db::Param> params,
                        const std::function<void(const db::Row&)>& on_row) {
  count();
  spread(params, [&](db::Params list) { return tx_.each(sql, list, on_row), 0; });
}

void FaultyDatabase::enqueue_write(std::shared_ptr<db::Job> job) {
  std::exception_ptr error;
  try {
    auto agreed = real_.write_now([this, job](db::Tx& tx) -> Result<void> {
      int run = 0;  // a closure that fails among others is run again, and must fail again
      FaultyTx faulty(tx, fail_at_, run);
      const bool agreed_to = job->run(faulty);
      statements_ = std::max(statements_, run);
      if (agreed_to) return {};
      return fail(refused());
    });
    static_cast<void>(agreed);
  } catch (...) {
    error = std::current_exception();
  }
  job->finish(error);
}

void FaultyDatabase::enqueue_read(std::shared_ptr<db::Job> job) {
  std::exception_ptr error;
  try {
    real_.read_now([&job](db::Tx& tx) { job->run(tx); });
  } catch (...) {
    error = std::current_exception();
  }
  job->finish(error);
}

}  // namespace fluxgate::closures

// How a coroutine waits for its closure. Included by database.h only.
#pragma once

#include <future>

#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

namespace fluxgate::db {
namespace detail {

// Suspends until `start(resume)` has called `resume(error)`, then continues on the coroutine's own
// executor. The closure's job is shared with the database, so a coroutine that is destroyed early
// leaves nothing dangling. Once finished, the job lets go of the coroutine: one that is never resumed,
// because its executor ends first, is destroyed with the executor and takes the job along.
template <class Start>
awaitable<void> suspend_until_finished(Start start) {
  auto executor = co_await boost::asio::this_coro::executor;
  auto error = co_await boost::asio::async_initiate<decltype(use_awaitable), void(std::exception_ptr, int)>(
      [&](auto handler) {
        // std::function needs a copyable callable; the handler is move-only.
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        start([shared = std::move(shared), executor](std::exception_ptr failure) mutable {
          const auto busy = boost::asio::make_work_guard(executor);  // else its loop may end, and be gone, within post()
          boost::asio::post(executor, [shared = std::move(shared), failure] { std::move(*shared)(failure, 0); });
        });
      },
      use_awaitable);
  static_cast<void>(error);
}

}  // namespace detail

template <class F, class R>
awaitable<R> Database::write(F closure, std::source_location given_by) {
  std::shared_ptr<detail::ClosureJob<F, R>> job;
  co_await detail::suspend_until_finished([&](std::function<void(std::exception_ptr)> resume) {
    job = std::make_shared<detail::ClosureJob<F, R>>(std::move(closure), std::move(resume), given_by);
    enqueue_write(job);
  });
  co_return job->take();
}

template <class F, class R>
awaitable<R> Database::read(F closure, std::source_location given_by) {
  if (reads_inline()) co_return read_now(std::move(closure), given_by);
  std::shared_ptr<detail::ClosureJob<F, R>> job;
  co_await detail::suspend_until_finished([&](std::function<void(std::exception_ptr)> resume) {
    job = std::make_shared<detail::ClosureJob<F, R>>(std::move(closure), std::move(resume), given_by);
    enqueue_read(job);
  });
  co_return job->take();
}

template <class F, class R>
R Database::write_now(F closure, std::source_location given_by) {
  std::promise<void> done;
  auto finished = [&done](std::exception_ptr error) {
    if (error) done.set_exception(error);
    else done.set_value();
  };
  auto job = std::make_shared<detail::ClosureJob<F, R>>(std::move(closure), std::move(finished), given_by);
  enqueue_write(job);
  done.get_future().get();
  return job->take();
}

template <class F, class R>
R Database::read_now(F closure, std::source_location given_by) {
  detail::ClosureJob<F, R> job(std::move(closure), [](std::exception_ptr) {}, given_by);
  try {
    run_read([&job](Tx& tx) { job.run(tx); });
  } catch (...) {
    job.finish(std::current_exception());
    throw;
  }
  return job.take();
}

}  // namespace fluxgate::db

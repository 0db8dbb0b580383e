#include "files/work_pool.h"

#include <system_error>

#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>

#include "files/imaging.h"

namespace fluxgate::files {

WorkPool::WorkPool(int threads, int queue_limit)
    : queue_limit_(static_cast<std::size_t>(std::max(1, queue_limit))) {
  try {
    for (int i = 0; i < std::max(1, threads); ++i)
      threads_.emplace_back([this] {
        serve();
        release_imaging_thread();
      });
  } catch (const std::system_error& error) {
    stop();  // those that were begun are waited for
    throw std::system_error(error.code(), "the system gives no more threads for decoding pictures; raise its limit (ulimit -u) or lower MEDIA_THREADS");
  }
}

WorkPool::~WorkPool() { stop(); }

void WorkPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  filled_.notify_all();
}

awaitable<Result<void>> WorkPool::run(WhenFull when_full, std::string key, Work work) {
  auto executor = co_await boost::asio::this_coro::executor;
  std::shared_ptr<Job> job;
  // The guard keeps the caller's context running while only this pool is at work.
  auto guard = boost::asio::make_work_guard(executor);
  co_await boost::asio::async_initiate<decltype(boost::asio::use_awaitable), void()>(
      [&](auto handler) {
        // std::function needs a copyable callable; the handler is move-only.
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        auto resume = [shared, executor] {
          boost::asio::post(executor, [shared] { std::move (*shared)(); });
        };
        job = join_or_add(when_full, key, std::move(work), resume);
        if (!job) resume();
      },
      boost::asio::use_awaitable);
  if (!job)
    co_return fail(Error(Errc::too_many_requests, "media_busy",
                         {"Too many pictures are being processed; try again shortly.",
                          "正在处理的图片过多，请稍后重试。"})
                       .retry_after(2));
  if (job->exception) std::rethrow_exception(job->exception);
  co_return job->result;
}

void WorkPool::start(Work work) { join_or_add(WhenFull::wait, "", std::move(work), [] {}); }

// nullptr when the queue is full. The waiter is registered under the same lock that finish() takes, so
// it is called exactly once.
std::shared_ptr<WorkPool::Job> WorkPool::join_or_add(WhenFull when_full, const std::string& key, Work work,
                                                     std::function<void()> resume) {
  const std::lock_guard lock(mutex_);
  if (!key.empty()) {
    if (const auto found = keyed_.find(key); found != keyed_.end()) {
      found->second->waiters.push_back(std::move(resume));
      return found->second;
    }
  }
  if (when_full == WhenFull::refuse && queue_.size() >= queue_limit_) return nullptr;
  auto job = std::make_shared<Job>();
  job->key = key;
  job->work = std::move(work);
  job->waiters.push_back(std::move(resume));
  if (!key.empty()) keyed_.emplace(key, job);
  queue_.push_back(job);
  filled_.notify_one();
  return job;
}

void WorkPool::serve() {
  while (true) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      filled_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    try {
      job->result = job->work();
    } catch (...) {
      job->exception = std::current_exception();
    }
    job->work = nullptr;  // what it owned goes before its callers go on
    finish(job);
  }
}

void WorkPool::finish(const std::shared_ptr<Job>& job) {
  std::vector<std::function<void()>> waiters;
  {
    const std::lock_guard lock(mutex_);
    if (!job->key.empty()) keyed_.erase(job->key);
    waiters = std::move(job->waiters);
  }
  for (const auto& resume : waiters) resume();
}

}  // namespace fluxgate::files

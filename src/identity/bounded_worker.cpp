#include "identity/bounded_worker.h"

#include <boost/asio/thread_pool.hpp>

namespace fluxgate::identity {

struct BoundedWorker::Thread {
  boost::asio::thread_pool pool{1};
};

BoundedWorker::BoundedWorker(int queue_limit)
    : capacity_(queue_limit + 1), thread_(std::make_unique<Thread>()) {}

BoundedWorker::~BoundedWorker() { stop(); }

void BoundedWorker::stop() { thread_->pool.join(); }

void BoundedWorker::prepare(std::function<void()> work) { boost::asio::post(thread_->pool, std::move(work)); }

awaitable<bool> BoundedWorker::run(std::function<void()> work) {
  if (inside_.fetch_add(1) >= capacity_) {
    inside_.fetch_sub(1);
    co_return false;
  }
  // Leaves the count however this coroutine ends, also when it is destroyed while waiting.
  const std::unique_ptr<std::atomic<int>, void (*)(std::atomic<int>*)> leave(
      &inside_, [](std::atomic<int>* inside) { inside->fetch_sub(1); });
  auto job = [](std::function<void()> inner) -> awaitable<void> {
    inner();
    co_return;
  };
  co_await boost::asio::co_spawn(thread_->pool.get_executor(), job(std::move(work)), use_awaitable);
  co_return true;
}

}  // namespace fluxgate::identity

// One thread for work that is slow by intent, with a short queue in front of it. Beyond the queue callers are
// refused at once instead of waiting for an answer that would come too late.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "base/coro.h"

namespace fluxgate::identity {

// Thread-safe. Outlives every coroutine that waits on it; their executors live until stop() has returned.
class BoundedWorker {
 public:
  // At most `queue_limit` pieces of work wait behind the one being done.
  explicit BoundedWorker(int queue_limit);
  ~BoundedWorker();
  // Finishes what was accepted and ends the thread. Safe to call twice.
  void stop();

  // Runs `work` on the thread and continues on the caller's executor; false when the queue is full. `work`
  // may outlive the calling coroutine: it owns what it uses. What it throws is thrown here.
  awaitable<bool> run(std::function<void()> work);
  // Queues work without waiting for it and without counting it; for start-up.
  void prepare(std::function<void()> work);

 private:
  int capacity_;  // the one at work and those waiting
  std::atomic<int> inside_ = 0;
  struct Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace fluxgate::identity

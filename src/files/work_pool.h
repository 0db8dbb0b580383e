// Threads for work that blocks (decoding, waiting for a disk), with a bounded queue. Coroutines hand work
// in and continue on their own executor when it is done.
//
// Thread-safe. The pool is destroyed after the coroutines that wait on it have ended; work that was
// queued is finished first.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <condition_variable>

#include "base/coro.h"
#include "base/result.h"

namespace fluxgate::files {

// What happens when the queue is full. Results of tasks wait however long it takes: the engine bounds
// their number, and a refusal would throw away what was paid for. Requests of people are turned away.
enum class WhenFull { wait, refuse };

class WorkPool {
 public:
  using Work = std::function<Result<void>()>;

  WorkPool(int threads, int queue_limit);
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Runs `work` on a pool thread; an exception it throws is thrown to the caller. `work` owns what it
  // uses. With a non-empty `key`, callers who come while work with that key is queued or running get its
  // outcome instead of running theirs.
  // too_many_requests when the queue is full and the caller said `refuse`.
  awaitable<Result<void>> run(WhenFull when_full, std::string key, Work work);
  // The same for work that nobody waits for.
  void start(Work work);

 private:
  struct Job {
    std::string key;
    Work work;
    Result<void> result{};
    std::exception_ptr exception;
    std::vector<std::function<void()>> waiters;
  };

  std::shared_ptr<Job> join_or_add(WhenFull when_full, const std::string& key, Work work,
                                   std::function<void()> resume);
  void stop();
  void serve();
  void finish(const std::shared_ptr<Job>& job);

  const std::size_t queue_limit_;

  std::mutex mutex_;  // guards all below but the threads
  std::condition_variable_any filled_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::unordered_map<std::string, std::shared_ptr<Job>> keyed_;
  bool stopping_ = false;

  std::vector<std::jthread> threads_;
};

}  // namespace fluxgate::files

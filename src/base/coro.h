// Owning coroutines. Every spawned coroutine belongs to a CoroGroup, which belongs to the object
// whose members the coroutines use; `stop()` asks them to end and `joined()` waits until they have.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace fluxgate {

template <class T>
using awaitable = boost::asio::awaitable<T>;
using boost::asio::use_awaitable;

// Not thread-safe: used on one executor that runs one thread (or a strand).
class CoroGroup {
 public:
  explicit CoroGroup(boost::asio::any_io_executor executor);
  ~CoroGroup();  // the group must be empty

  // `name` stands in the log when the coroutine ends by an exception.
  void spawn(std::string name, awaitable<void> body);
  std::size_t size() const { return state_->size; }
  // True once stop() was called. Loops test it; waits are cut short by whoever owns the timer.
  bool stopping() const { return state_->stopping; }
  void stop();
  awaitable<void> joined();
  const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  struct State {
    explicit State(const boost::asio::any_io_executor& executor) : empty(executor) {}
    std::size_t size = 0;
    bool stopping = false;
    boost::asio::steady_timer empty;
  };
  boost::asio::any_io_executor executor_;
  std::shared_ptr<State> state_;
};

// A wait that another coroutine on the same executor can end early.
class Wakeup {
 public:
  explicit Wakeup(const boost::asio::any_io_executor& executor) : timer_(executor) {}
  void notify();                                      // remembered if nobody waits
  awaitable<void> wait_for(std::chrono::milliseconds limit);

 private:
  boost::asio::steady_timer timer_;
  bool notified_ = false;
};

}  // namespace fluxgate

#include "base/coro.h"

#include "base/log.h"
#include "base/result.h"

namespace fluxgate {

CoroGroup::CoroGroup(boost::asio::any_io_executor executor)
    : executor_(std::move(executor)), state_(std::make_shared<State>(executor_)) {
  state_->empty.expires_at(std::chrono::steady_clock::time_point::max());
}

CoroGroup::~CoroGroup() = default;

void CoroGroup::spawn(std::string name, awaitable<void> body) {
  ++state_->size;
  auto finished = [state = state_, name = std::move(name)](std::exception_ptr error) {
    if (error) {
      try {
        std::rethrow_exception(error);
      } catch (const std::exception& e) {
        log::error("{} ended by an exception: {}", name, e.what());
      }
    }
    if (--state->size == 0) state->empty.cancel();
  };
  boost::asio::co_spawn(executor_, std::move(body), std::move(finished));
}

void CoroGroup::stop() { state_->stopping = true; }

awaitable<void> CoroGroup::joined() {
  auto state = state_;
  while (state->size != 0) {
    boost::system::error_code ignored;
    co_await state->empty.async_wait(boost::asio::redirect_error(use_awaitable, ignored));
  }
}

void Wakeup::notify() {
  notified_ = true;
  timer_.cancel();
}

awaitable<void> Wakeup::wait_for(std::chrono::milliseconds limit) {
  if (!notified_) {
    timer_.expires_after(limit);
    boost::system::error_code ignored;
    co_await timer_.async_wait(boost::asio::redirect_error(use_awaitable, ignored));
  }
  notified_ = false;
}

}  // namespace fluxgate

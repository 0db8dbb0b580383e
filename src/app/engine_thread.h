// The thread on which the engine and its HTTP client live.
#pragma once

#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

namespace fluxgate::app {

class EngineThread {
 public:
  EngineThread() : work_(boost::asio::make_work_guard(context_)) {}
  ~EngineThread() { join(); }
  boost::asio::io_context& context() { return context_; }
  void start() {
    thread_ = std::thread([this] { context_.run(); });
  }
  // Runs what is left, then ends the thread. Safe twice.
  void join() {
    work_.reset();
    if (thread_.joinable()) thread_.join();
  }

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace fluxgate::app

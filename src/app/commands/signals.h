// SIGTERM and SIGINT as something to wait for.
#pragma once

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <pthread.h>
#include <stop_token>
#include <thread>

#include "base/log.h"

namespace fluxgate::app {

// Blocks the two in this thread and all it starts later; make it first.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  void wait() const {
    int received = 0;
    sigwait(&set_, &received);
  }
  bool came_within(std::timespec time) const { return sigtimedwait(&set_, nullptr, &time) > 0; }

 private:
  sigset_t set_;
};

// While this lives a stop ends the process at once, as a crash would: for a start, which takes as long as its database
// does (a repair, a server that does not answer). What was begun is undone, or done, by the next one.
class StopEndsAtOnce {
 public:
  explicit StopEndsAtOnce(const StopSignals& signals)
      : thread_([&signals](const std::stop_token& over) {
          while (!over.stop_requested())
            if (signals.came_within({.tv_sec = 0, .tv_nsec = 100'000'000})) {
              log::info("stopped before it served");
              std::_Exit(0);
            }
        }) {}

 private:
  std::jthread thread_;
};

}  // namespace fluxgate::app

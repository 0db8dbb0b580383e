// SIGTERM and SIGINT as something to wait for.
#pragma once

#include <csignal>
#include <pthread.h>

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

 private:
  sigset_t set_;
};

}  // namespace fluxgate::app

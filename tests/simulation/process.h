// One process of the server, as far as tasks go: engine, services, its own thread's queue. It can vanish at any
// moment and stand still for any time.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "database.h"
#include "product.h"
#include "tasks/batches.h"
#include "tasks/service.h"
#include "upstream.h"

namespace fluxgate::simulation {

// What all processes share; outlives them.
struct Surroundings {
  SimDatabase& database;
  files::Files& files;
  SimUpstream& upstream;
  const catalogue::Holder& catalogue;
  const tasks::AccountStore& accounts;
  const SimClock& clock;
  const providers::Adapter& adapter;
  bool hooks = false;  // upstreams can reach us
  bool alone = false;  // no other node on the database
};

class Process {
 public:
  Process(const Surroundings& around, std::string id);
  // As kill -9 does: nothing it was about to do is done. Its coroutines are driven on to where nothing holds them any
  // more, cut off from the database and the network; a closure and its coroutine keep each other alive otherwise.
  ~Process();
  Process(const Process&) = delete;

  const std::string id;
  tasks::Tasks& tasks() { return *tasks_; }
  tasks::Batches& batches() { return *batches_; }
  tasks::Engine& engine() { return *engine_; }
  boost::asio::io_context& context() { return context_; }

  void freeze(Millis for_ms) { frozen_until_ = around_.clock.steady_ms() + for_ms; }
  bool frozen() const { return around_.clock.steady_ms() < frozen_until_; }
  // Everything that can go on does; false when nothing could.
  bool run();

  // Begins a call of this process's; its closures are known as this process's.
  template <class T, class F>
  void begin(awaitable<T> call, F then) {
    around_.database.hear(id);
    boost::asio::co_spawn(context_, std::move(call), [this, then = std::move(then)](std::exception_ptr error, auto... answer) {
      if (!dead_) then(error, std::move(answer)...);  // the dead answer nobody
    });
    around_.database.hear("");
  }

 private:
  const Surroundings& around_;
  boost::asio::io_context context_;
  SimLine line_;
  notify::Hub hub_;
  tasks::ProgressBoard progress_;
  tasks::AccountHealth health_;
  std::atomic<bool> draining_{false};
  std::unique_ptr<tasks::Waiting> waiting_;
  std::unique_ptr<tasks::Engine> engine_;
  std::unique_ptr<tasks::Tasks> tasks_;
  std::unique_ptr<tasks::Batches> batches_;
  Millis frozen_until_ = 0;
  bool dead_ = false;
};

}  // namespace fluxgate::simulation

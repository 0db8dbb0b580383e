#include "process.h"

namespace fluxgate::simulation {

Process::Process(const Surroundings& around, std::string name)
    : id(std::move(name)), around_(around), line_(around.upstream, id) {
  waiting_ = std::make_unique<tasks::Waiting>(around.accounts, around.clock);
  tasks::EngineOptions options;
  options.node_id = id;
  options.hook_secret = "secret";
  options.sole_node = around.alone;
  options.steady = [&clock = around.clock] { return clock.steady_ms(); };
  if (around.hooks) options.public_url = "http://us";
  engine_ = std::make_unique<tasks::Engine>(
      context_.get_executor(),
      tasks::EngineParts{around.database, around.files, line_, hub_, around.catalogue, around.accounts, health_, progress_,
                         around.clock, {&around.adapter}},
      options);
  const tasks::ServiceParts parts{around.database, around.files, hub_,      around.catalogue, around.accounts, progress_,
                                  around.clock,    *engine_,     *waiting_, draining_,        {}};
  tasks_ = tasks::make_tasks(parts);
  batches_ = tasks::make_batches(parts);
  around.database.hear(id);
  engine_->start();
  around.database.hear("");
}

Process::~Process() {
  dead_ = true;
  around_.upstream.bury(id);
  around_.database.forget(id);
  run();
  around_.upstream.drop_calls(id);
}

bool Process::run() {
  around_.database.hear(id);
  context_.restart();
  constexpr int kMost = 200'000;  // a few hundred are usual
  int done = 0;
  while (done < kMost && context_.poll_one() != 0) ++done;
  around_.database.hear("");
  if (done == kMost && !dead_) throw std::runtime_error("a node comes to rest when nothing happens: " + id);
  return done != 0;
}

}  // namespace fluxgate::simulation

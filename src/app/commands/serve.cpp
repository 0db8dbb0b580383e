#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <thread>

#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/signals.h"
#include "app/file_limit.h"
#include "app/node.h"
#include "base/log.h"

namespace fluxgate::app {
namespace {

// Ends the process when an orderly stop takes longer than was promised: closures of a database that is away go on for
// half a minute, a server that stands still may hold a connection, a disk a file. What is cut off then is what a crash
// would cut off, and is taken up as after one: by the other nodes, or by the next start.
class Promise {
 public:
  explicit Promise(std::chrono::milliseconds limit)
      : thread_([this, limit](const std::stop_token& kept) {
          std::unique_lock lock(mutex_);
          over_.wait_for(lock, kept, limit, [] { return false; });
          if (kept.stop_requested()) return;
          log::warn("stopped without waiting longer: the database, or a disk, did not answer in time. What was not ended is taken up by "
                    "another node or the next start");
          std::_Exit(static_cast<int>(ExitCode::ok));
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any over_;
  std::jthread thread_;  // the last: asked to end, and waited for, before the rest goes
};
constexpr std::chrono::milliseconds kAfterDrain{1'500};

ExitCode serve(const Config& config) {
  configure_log(config);
  raise_file_limit();
  // Before any thread exists, so that all of them leave the signals to this one.
  StopSignals signals;
  std::optional<Promise> promise;  // outlives the node
  auto node = [&] {
    const StopEndsAtOnce while_starting(signals);
    return Node::build(config);
  }();
  if (!node) return report(node.error());
  try {
    (*node)->start();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fluxgate: %s\n", error.what());
    (*node)->stop();
    return ExitCode::failed;
  }
  signals.wait();
  promise.emplace(std::chrono::seconds(config.drain_s) + kAfterDrain);
  (*node)->stop();
  return ExitCode::ok;
}

}  // namespace

void add_serve(CLI::App& cli, Config& config, ExitCode& exit_code) {
  auto* command = cli.add_subcommand("serve", "Run the server");
  add_serve_options(*command, config);
  command->callback([&config, &exit_code] { exit_code = serve(config); });
}

}  // namespace fluxgate::app

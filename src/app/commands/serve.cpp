#include <csignal>
#include <cstdio>
#include <thread>

#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "app/commands/signals.h"
#include "app/file_limit.h"
#include "app/node.h"
#include "base/log.h"

namespace fluxgate::app {
namespace {

ExitCode serve(const Config& config) {
  configure_log(config);
  raise_file_limit();
  // Before any thread exists, so that all of them leave the signals to this one.
  StopSignals signals;
  auto node = Node::build(config);
  if (!node) return report(node.error());
  try {
    (*node)->start();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fluxgate: %s\n", error.what());
    (*node)->stop();
    return ExitCode::failed;
  }
  signals.wait();
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

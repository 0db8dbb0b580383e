#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/commands/commands.h"
#include "app/workspace.h"
#include "tasks/audit.h"

namespace fluxgate::app {
namespace {

ExitCode verify(const Config& config) {
  configure_log(config);
  auto workspace = open_workspace(config, Access::tool);
  if (!workspace) return report(workspace.error());
  auto findings = workspace->database->read_now([](db::Tx& tx) { return tasks::audit(tx); });
  for (const auto& finding : findings) fmt::print("{}\n", finding);
  if (!findings.empty()) return ExitCode::findings;
  auto [tasks, entries] = workspace->database->read_now([](db::Tx& tx) {
    return std::pair(tx.number("SELECT COUNT(*) FROM fg_task"), tx.number("SELECT COUNT(*) FROM fg_credit_entry"));
  });
  fmt::print("{} tasks, {} ledger entries: every invariant holds\n", tasks, entries);
  return ExitCode::ok;
}

}  // namespace

void add_db(CLI::App& cli, Config& config, ExitCode& exit_code) {
  auto* command = cli.add_subcommand("db", "Care of the database");
  command->require_subcommand(1);
  command->add_subcommand("verify", "Check every invariant of tasks, credits and files; works beside a running server")
      ->callback([&config, &exit_code] { exit_code = verify(config); });
}

}  // namespace fluxgate::app

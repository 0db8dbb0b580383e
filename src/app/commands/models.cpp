#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/commands/commands.h"
#include "catalogue/catalogue.h"

namespace fluxgate::app {
namespace {

ExitCode print_problems(const catalogue::Loaded& loaded) {
  for (const auto& problem : loaded.problems) fmt::print(stderr, "{} {}: {}\n", problem.file, problem.where, problem.what);
  return ExitCode::findings;
}

ExitCode list(const Config& config) {
  auto loaded = catalogue::load(config.data_dir + "/catalogue");
  if (!loaded.catalogue) return print_problems(loaded);
  for (const auto* model : loaded.catalogue->models())
    fmt::print("{:<46} {:<15} {}\n", model->id(), model->kind(), model->title().in(terminal_language()));
  return ExitCode::ok;
}

ExitCode check(const Config& config) {
  auto loaded = catalogue::load(config.data_dir + "/catalogue");
  if (!loaded.problems.empty()) return print_problems(loaded);
  fmt::print("{} models, no problem\n", loaded.catalogue->models().size());
  return ExitCode::ok;
}

}  // namespace

void add_models(CLI::App& cli, Config& config, ExitCode& exit_code) {
  auto* models = cli.add_subcommand("models", "The model catalogue: built-in descriptors and DATA_DIR/catalogue/");
  models->require_subcommand(1);
  models->add_subcommand("list", "List all models")->callback([&config, &exit_code] { exit_code = list(config); });
  models->add_subcommand("check", "Check every descriptor; exit code 2 when one has a problem")
      ->callback([&config, &exit_code] { exit_code = check(config); });
}

}  // namespace fluxgate::app

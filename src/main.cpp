// fluxgate: the command line. A contents page; each command lives in app/commands/.
#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "base/crypto.h"
#include "version.h"

int main(int argc, char** argv) {
  using namespace fluxgate;
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // into a pipe, too: what is said comes before the error that ends it
  CLI::App cli("Fluxgate: one gateway and studio for generative media.", "fluxgate");
  cli.set_version_flag("--version", std::string("fluxgate ") + kVersion);
  cli.set_config("--config", "", "TOML file with any of the options below")->envname("FLUXGATE_CONFIG");
  cli.require_subcommand(1);
  cli.fallthrough();

  app::Config config;
  app::add_common_options(cli, config);
  app::ExitCode exit_code = app::ExitCode::ok;
  for (auto* add : {app::add_serve, app::add_generate, app::add_sandbox, app::add_user, app::add_credits, app::add_models,
                    app::add_db, app::add_files, app::add_doctor, app::add_version})
    add(cli, config, exit_code);

  try {
    crypto::initialise();
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli.exit(error);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fluxgate: %s\n", error.what());
    return static_cast<int>(app::ExitCode::failed);
  }
  return static_cast<int>(exit_code);
}

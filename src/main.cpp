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
  app::trim_environment();
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

  // Those that write into the data folder. Whose folder a server's is, is for who starts it: it may need root's rights.
  cli.parse_complete_callback([&cli, &config] {
    for (const char* name : {"db", "user", "credits", "files", "doctor", "generate"})
      if (cli.got_subcommand(name))
        if (auto done = app::work_as_owner(config); !done) throw CLI::RuntimeError(static_cast<int>(app::report(done.error())));
  });

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

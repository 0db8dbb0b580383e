// The commands of the program. Each adds its subcommand, its options and what runs when it is given.
//
// Exit codes: 0 done; 1 it failed, the reason is on stderr; 2 something was found (checks); CLI11's own
// (100 and up) for words that cannot be parsed.
#pragma once

#include <string>

#include "app/config.h"
#include "base/result.h"

namespace CLI {
class App;
}

namespace fluxgate::app {

enum class ExitCode { ok = 0, failed = 1, findings = 2 };

void add_serve(CLI::App& cli, Config& config, ExitCode& exit_code);
void add_generate(CLI::App& cli, Config& config, ExitCode& exit_code);
void add_sandbox(CLI::App& cli, Config& config, ExitCode& exit_code);
void add_user(CLI::App& cli, Config& config, ExitCode& exit_code);
void add_credits(CLI::App& cli, Config& config, ExitCode& exit_code);
void add_models(CLI::App& cli, Config& config, ExitCode& exit_code);
void add_db(CLI::App& cli, Config& config, ExitCode& exit_code);
void add_files(CLI::App& cli, Config& config, ExitCode& exit_code);
void add_doctor(CLI::App& cli, Config& config, ExitCode& exit_code);
void add_version(CLI::App& cli, Config& config, ExitCode& exit_code);

// As root, where DATA_DIR/files (else the SQLite file, else the data folder) belongs to another user: becomes that user
// for the rest of the process, and says so on stderr. Refused where root may not, as in a container without CAP_SETUID.
// Before the first thread.
Result<void> work_as_owner(const Config& config);
// Prints "fluxgate: <reason>" with the refused fields; in Chinese where the locale (LC_ALL, LANG) is.
ExitCode report(const Error& error);
// "1 object", "2 objects"; `many` where it is not one + "s".
std::string counted(std::int64_t count, std::string_view one, std::string_view many = {});
// The language of the terminal.
Language terminal_language();
// Sets the log as the configuration says.
void configure_log(const Config& config);

}  // namespace fluxgate::app

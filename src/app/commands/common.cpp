#include <cstdio>
#include <cstdlib>

#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "base/log.h"
#include "version.h"

namespace fluxgate::app {

std::string counted(std::int64_t count, std::string_view one, std::string_view many) {
  if (count == 1) return fmt::format("1 {}", one);
  return many.empty() ? fmt::format("{} {}s", count, one) : fmt::format("{} {}", count, many);
}

Language terminal_language() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"})
    if (const char* value = std::getenv(name); value && *value)
      return std::string_view(value).starts_with("zh") ? Language::zh : Language::en;
  return Language::en;
}

ExitCode report(const Error& error) {
  Language language = terminal_language();
  std::fprintf(stderr, "fluxgate: %s\n", error.message().in(language).c_str());
  for (std::size_t i = 1; i < error.fields().size(); ++i)
    std::fprintf(stderr, "          %s\n", error.fields()[i].message.in(language).c_str());
  return ExitCode::failed;
}

void configure_log(const Config& config) {
  auto level = log::Level::info;
  if (config.log_level == "debug") level = log::Level::debug;
  if (config.log_level == "warn") level = log::Level::warn;
  if (config.log_level == "error") level = log::Level::error;
  if (config.log_level == "off") level = log::Level::off;
  log::configure(level, config.log_format == "json" ? log::Format::json : log::Format::text);
}

void add_version(CLI::App& cli, Config&, ExitCode&) {
  cli.add_subcommand("version", "Print the version")->callback([] { std::printf("fluxgate %s\n", kVersion); });
}

}  // namespace fluxgate::app

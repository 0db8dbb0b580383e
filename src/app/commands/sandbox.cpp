#include <cstdio>
#include <filesystem>
#include <fstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/commands/commands.h"
#include "app/commands/signals.h"
#include "base/log.h"
#include "sandbox/cos.h"
#include "sandbox/sandbox.h"

namespace fluxgate::app {
namespace {

struct SandboxWords {
  sandbox::Options options;
  sandbox::CosOptions cos;
  bool with_cos = false;
  std::string port_file;
};

ExitCode run(const Config& config, SandboxWords words) {
  configure_log(config);
  StopSignals signals;
  if (words.options.folder.empty()) words.options.folder = config.data_dir + "/sandbox";
  try {
    std::filesystem::create_directories(words.options.folder);
    sandbox::Sandbox upstream(words.options);
    upstream.start();
    log::info("the sandbox answers at {}", upstream.base_url());
    std::optional<sandbox::CosSandbox> bucket;
    if (words.with_cos) {
      words.cos.host = words.options.host;
      words.cos.folder = words.options.folder + "/cos";
      bucket.emplace(words.cos);
      bucket->start();
      log::info("COS bucket {} ({}) at {}, key {} {}", words.cos.bucket, words.cos.region, bucket->base_url(), words.cos.secret_id, words.cos.secret_key);
    }
    if (!words.port_file.empty()) {
      std::string url = upstream.base_url();
      std::ofstream(words.port_file + ".new") << url.substr(url.rfind(':') + 1) << '\n';
      std::filesystem::rename(words.port_file + ".new", words.port_file);
    }
    signals.wait();
    upstream.stop();
  } catch (const std::exception& error) {
    fmt::print(stderr, "fluxgate: {}\n", error.what());
    return ExitCode::failed;
  }
  return ExitCode::ok;
}

}  // namespace

void add_sandbox(CLI::App& cli, Config& config, ExitCode& exit_code) {
  auto* command = cli.add_subcommand("sandbox", "Run the emulator of the upstreams alone");
  auto words = std::make_shared<SandboxWords>();
  sandbox::Options& options = words->options;
  command->add_option("--host", options.host, "Address to listen on")->capture_default_str();
  command->add_option("--port", options.port, "Port to listen on; 0 takes a free one")->capture_default_str();
  command->add_option("--folder", options.folder, "Where accepted requests are kept (default: DATA_DIR/sandbox)");
  command->add_option("--key", options.keys, "Accept only this key; may be repeated");
  command->add_option("--latency", options.latency_scale, "Scale of the waiting times; 0 = none")->check(CLI::Range(0.0, 100.0))->capture_default_str();
  command->add_option("--slots", options.slots, "Runs at once per account; 0 = no limit")->capture_default_str();
  command->add_flag("--tiny", options.tiny_images, "Pictures of 16 by 16 pixels");
  command->add_option("--fault", options.faults, "Something to go wrong, e.g. submit-429;times=3; may be repeated");
  command->add_option("--cos-port", words->cos.port, "Run a COS bucket too, on this port; 0 takes a free one")->each([words = words.get()](const std::string&) { words->with_cos = true; });
  command->add_option("--cos-fault", words->cos.faults, "Something for the bucket to do wrong, e.g. put-SlowDown;times=3; may be repeated");
  command->add_option("--port-file", words->port_file, "Writes the port there once it listens");
  command->callback([&config, &exit_code, words] { exit_code = run(config, *words); });
}

}  // namespace fluxgate::app

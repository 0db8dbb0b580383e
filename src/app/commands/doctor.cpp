#include <filesystem>
#include <fstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/blocking_client.h"
#include "app/commands/commands.h"
#include "app/keys.h"
#include "app/workspace.h"
#include "base/ids.h"
#include "catalogue/catalogue.h"
#include "db/remarks.h"
#include "providers/fal/fal_adapter.h"
#include "tasks/accounts.h"
#include "tasks/audit.h"

namespace fluxgate::app {
namespace {

// Prints as it finds. Each finding comes with its remedy.
class Doctor {
 public:
  void well(const std::string& what) { fmt::print("ok       {}\n", what); }
  void finding(const std::string& what, const std::string& remedy) {
    fmt::print("problem  {}\n         remedy: {}\n", what, remedy);
    ++findings_;
  }
  void hint(const std::string& what) { fmt::print("note     {}\n", what); }
  ExitCode verdict() const { return findings_ == 0 ? ExitCode::ok : ExitCode::findings; }

 private:
  int findings_ = 0;
};

void check_storage(Doctor& doctor, const Config& config) {
  std::filesystem::path folder = config.data_dir;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  auto probe = folder / (".doctor-" + new_id());
  std::ofstream(probe) << "probe";
  if (!std::filesystem::exists(probe, error))
    return doctor.finding(fmt::format("the data folder {} cannot be written", config.data_dir),
                          "give this user the right to write it, or name another with --data-dir");
  std::filesystem::remove(probe, error);
  auto space = std::filesystem::space(folder, error);
  constexpr std::uintmax_t kLow = 1ull << 30;
  if (!error && space.available < kLow)
    doctor.finding(fmt::format("only {} MB are free for {}", space.available >> 20, config.data_dir), "make room, or move the data folder");
  else
    doctor.well(fmt::format("data folder {}, {} GB free", config.data_dir, space.available >> 30));
}

void check_database(Doctor& doctor, db::Database& database) {
  std::string integrity = "ok";
  if (database.dialect() == db::Dialect::sqlite)
    integrity = database.read_now([](db::Tx& tx) {
      return tx.first("PRAGMA quick_check(1)", {}, [](const db::Row& row) { return row.str(0); }).value_or("no answer");
    });
  if (integrity != "ok") doctor.finding("the database is damaged: " + integrity, "restore the newest backup of DATA_DIR/backups");
  auto books = database.read_now([](db::Tx& tx) { return tasks::audit(tx); });
  if (!books.empty()) doctor.finding(fmt::format("the books disagree in {} places, first: {}", books.size(), books.front()),
                                     "keep a copy of the database and report this; fluxgate db verify lists all");
  for (const auto& line : database.read_now([](db::Tx& tx) { return db::remarks(tx); }))
    doctor.finding(fmt::format("{}: {}", line.table, line.text.en), "as it says; fluxgate db check lists all that is missing or different");
  if (integrity == "ok" && books.empty()) doctor.well(fmt::format("database {}, books in order", database.dialect() == db::Dialect::sqlite ? "sqlite" : "postgresql"));
}

void check_catalogue(Doctor& doctor, const Config& config) {
  auto loaded = catalogue::load(config.data_dir + "/catalogue");
  if (!loaded.catalogue)
    return doctor.finding(fmt::format("the model catalogue has {} problems", loaded.problems.size()),
                          "fluxgate models check names them; correct or remove the files in DATA_DIR/catalogue");
  doctor.well(fmt::format("{} models", loaded.catalogue->models().size()));
}

// The adapter's free question, without an engine.
providers::Outcome probe(const tasks::UpstreamAccount& account) {
  auto adapter = providers::make_fal_adapter();
  BlockingClient client;
  providers::Adapter::Moment moment{system_clock().now_ms(), new_id()};
  auto outcome = adapter->next(providers::Intent::probe, {}, account.account, moment, "", nullptr);
  while (auto* send = std::get_if<providers::Send>(&outcome)) {
    std::string step = send->step;
    auto reply = client.call(send->request, {.timeout = std::chrono::seconds(10)});
    if (!reply) {
      providers::Failed failed;
      failed.message = {"it cannot be reached: " + reply.error().detail, "无法连接：" + reply.error().detail};
      return failed;
    }
    outcome = adapter->next(providers::Intent::probe, {}, account.account, moment, step, &*reply);
  }
  return outcome;
}

void check_upstream(Doctor& doctor, const Config& config, db::Database& database, const crypto::Sealer& sealer) {
  tasks::AccountStore store(sealer);
  if (auto unreadable = database.read_now([&store](db::Tx& tx) { return store.unreadable_key(tx); }))
    return doctor.finding(*unreadable, "restore that key; it opens what is stored");
  if (!config.fal_key.empty()) {
    tasks::UpstreamAccount account;
    account.account = {"environment", "flux", config.fal_base_url, config.fal_key, {}};
    store.set_default(account);
  }
  auto accounts = database.read_now([&store](db::Tx& tx) { return store.accounts(tx, "flux"); });
  if (accounts.empty()) doctor.hint("no upstream account; set FAL_KEY, save one as admin, or use serve --sandbox");
  for (const auto& account : accounts) {
    auto outcome = probe(account);
    std::string name = fmt::format("upstream account \"{}\" at {}", account.account.id, account.account.base_url);
    if (auto* failed = std::get_if<providers::Failed>(&outcome))
      doctor.finding(name + ": " + failed->message.in(terminal_language()), "check its key, its base URL and this machine's way out");
    else doctor.well(name + " answers; nothing was charged");
  }
}

ExitCode examine(const Config& config) {
  configure_log(config);
  Doctor doctor;
  check_storage(doctor, config);
  check_catalogue(doctor, config);
  auto workspace = open_workspace(config, Access::tool);
  if (!workspace) {
    doctor.finding("the database cannot be used: " + workspace.error().message().en, "see its message; fluxgate serve says the same");
    return doctor.verdict();
  }
  check_database(doctor, *workspace->database);
  auto master = master_key(config, *workspace->database);
  if (!master) doctor.finding(master.error().message().en, "mount or restore DATA_DIR with its master.key, or set FLUXGATE_MASTER_KEY");
  else check_upstream(doctor, config, *workspace->database, crypto::Sealer(*master));
  if (config.public_url.empty()) doctor.hint("WEBUI_URL is not set: progress is polled, and input pictures go to the upstream inline");
  return doctor.verdict();
}

}  // namespace

void add_doctor(CLI::App& cli, Config& config, ExitCode& exit_code) {
  auto* command = cli.add_subcommand("doctor", "Check configuration, storage, database, catalogue and upstreams");
  command->add_option("--public-url", config.public_url)->envname("WEBUI_URL");
  command->add_option("--fal-key", config.fal_key)->envname("FAL_KEY");
  command->add_option("--fal-base-url", config.fal_base_url)->envname("FAL_BASE_URL")->capture_default_str();
  command->callback([&config, &exit_code] { exit_code = examine(config); });
}

}  // namespace fluxgate::app

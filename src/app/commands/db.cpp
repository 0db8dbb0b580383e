#include <filesystem>
#include <iostream>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/commands/commands.h"
#include "app/database_url.h"
#include "app/repair.h"
#include "app/workspace.h"
#include "base/clock.h"
#include "db/schema.h"
#include "tasks/audit.h"

namespace fluxgate::app {
namespace {

struct Words {
  bool dry_run = false, yes = false, give_back = false;
  std::string dialect = "sqlite", backup;
};

void say(const Text& text) { fmt::print("{}\n", text.in(terminal_language())); }

void say_lines(const db::adopt::Lines& lines) {
  for (const auto& line : lines) fmt::print("{}\n", describe(line, terminal_language()));
}

// The master key has no part in it, and nothing is made that is not there.
template <class F>
ExitCode with_care(const Config& config, F&& act) {
  configure_log(config);
  auto url = database_url(config);
  if (!url) return report(url.error());
  try {
    return act(*db::care_for(*url));
  } catch (const db::Failure& failure) {
    return report(database_error(failure));
  }
}

// ---- check, repair ----

ExitCode check(const Config& config) {
  return with_care(config, [&](db::Care& care) {
    db::Plan plan;
    if (care.exists()) {
      care.examine();
      care.examine_indexes();
      care.read([&](db::Tx& tx) { plan = db::make_plan(tx, {.data_dir = config.data_dir, .flux_models = flux_models(config)}); });
    }
    if (plan.state == db::State::empty) return report(no_database(care.described()));
    if (plan.lines.empty() && plan.state == db::State::ready) {
      say({fmt::format("{}: schema {}, nothing is missing.", care.described(), plan.version),
           fmt::format("{}：结构版本 {}，没有缺失。", care.described(), plan.version)});
      return ExitCode::ok;
    }
    say({fmt::format("{}: missing or different", care.described()), fmt::format("{}：缺失或不同之处", care.described())});
    say_lines(plan.lines);
    if (plan.state != db::State::ready && plan.possible())
      say({"To mend it: fluxgate db repair (--dry-run shows the plan only)", "修复命令：fluxgate db repair（--dry-run 仅显示计划）"});
    return ExitCode::failed;
  });
}

bool agreed(const Words& words) {
  if (words.yes || !::isatty(STDIN_FILENO)) return true;
  say({"Go on? A backup is made first. [y/N]", "是否继续？将先进行备份。[y/N]"});
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

bool show_plan(const db::Plan& plan, const Words& words) {
  if (plan.state == db::State::empty) say({"The database is empty; it is set up.", "数据库为空，将完成初始化。"});
  else say({"Plan:", "计划："});
  say_lines(plan.lines);
  if (!plan.possible()) return false;
  if (!words.dry_run) return agreed(words);
  say({"Dry run: nothing was changed.", "试运行：未做任何更改。"});
  return false;
}

void show_report(const db::Repaired& done) {
  if (done.backup)
    say({fmt::format("Backup: {} ({} tables)", done.backup->place, done.backup->tables),
         fmt::format("备份：{}（{} 张表）", done.backup->place, done.backup->tables)});
  if (done.backup && done.plan.adopts)
    say({"It holds the old secrets in clear text: keep it safe or delete it.", "其中含有明文的旧密钥，请妥善保管或删除。"});
  say({"Done:", "完成："});
  say_lines(done.report);
  if (!done.scrubbed)
    say({"VACUUM failed, so deleted secrets may still lie in the file. Run it when there is room.",
         "VACUUM 失败，已删除的密钥可能仍残留在文件中，请在空间充足时执行。"});
}

ExitCode repair(const Config& config, const Words& words) {
  configure_log(config);
  auto url = database_url(config);
  if (!url) return report(url.error());
  if (!words.dry_run) {
    std::error_code ignored;  // opening the database says what is wrong
    std::filesystem::create_directories(config.data_dir, ignored);
  }
  bool went_on = false;
  RepairWishes wishes;
  wishes.give_back = words.give_back;
  wishes.go_on = [&](const db::Plan& plan) { return went_on = show_plan(plan, words); };
  auto done = repair_database(config, *url, wishes);
  if (!done) return report(done.error());
  if (!done->plan.possible())
    return report(Error(Errc::internal, "not_possible", {"This cannot be repaired as it is; see ✗ above. Nothing was changed.",
                                                       "无法按现状修复，见上面的 ✗。未做任何更改。"}));
  if (went_on) show_report(*done);
  else if (done->plan.state == db::State::ready) say({"Nothing to repair.", "无需修复。"});
  else if (!words.dry_run) say({"Stopped. Nothing was changed.", "已停止。未做任何更改。"});
  if (!went_on) say_lines(done->plan.state == db::State::ready ? done->plan.lines : db::adopt::Lines{});
  return went_on || words.dry_run || done->plan.state == db::State::ready ? ExitCode::ok : ExitCode::failed;
}

// ---- backup, restore ----

std::string backups_of(const Config& config) { return config.data_dir + "/backups"; }

ExitCode backup(const Config& config) {
  return with_care(config, [&](db::Care& care) {
    if (!care.exists()) return report(no_database(care.described()));
    const auto made = care.backup(backups_of(config), system_clock().now_ms());
    say({fmt::format("{} ({} tables)", made.place, made.tables), fmt::format("{}（{} 张表）", made.place, made.tables)});
    if (made.left_out != 0)
      say({fmt::format("{} tables that Fluxgate does not use are not in it; pg_dump takes all of a database.", made.left_out),
           fmt::format("其中不含 Fluxgate 不使用的 {} 张表；如需整库备份请使用 pg_dump。", made.left_out)});
    return ExitCode::ok;
  });
}

ExitCode restore(const Config& config, const Words& words) {
  return with_care(config, [&](db::Care& care) {
    std::error_code ignored;
    const std::string kept = fmt::format("{}/{}", backups_of(config), words.backup);
    const bool by_name = care.dialect() == db::Dialect::sqlite && !std::filesystem::exists(words.backup, ignored) &&
                         std::filesystem::exists(kept, ignored);
    const auto done = care.restore(by_name ? kept : words.backup, system_clock().now_ms());
    say({fmt::format("{} is what it was when {} was made.", care.described(), words.backup),
         fmt::format("{} 已恢复到备份 {} 时的状态。", care.described(), words.backup)});
    if (!done.aside.empty())
      say({fmt::format("What was there until now is kept as {}.", done.aside), fmt::format("此前的数据保留为 {}。", done.aside)});
    if (!done.left_behind.empty())
      say({fmt::format("These views still read what is kept there, so make them anew: {}", fmt::join(done.left_behind, ", ")),
           fmt::format("以下视图读取的仍是保留的数据，请重建：{}", fmt::join(done.left_behind, "、"))});
    return ExitCode::ok;
  });
}

// ---- schema, verify ----

ExitCode print_schema(const Words& words) {
  fmt::print("{}", db::schema_script(words.dialect == "sqlite" ? db::Dialect::sqlite : db::Dialect::postgresql));
  return ExitCode::ok;
}

ExitCode verify(const Config& config) {
  configure_log(config);
  auto workspace = open_workspace(config, Access::read);
  if (!workspace) return report(workspace.error());
  // Nameless: it reads all there is, and nobody needs to be warned that this takes long.
  auto findings = workspace->database->read_now([](db::Tx& tx) { return tasks::audit(tx); }, std::source_location{});
  for (const auto& finding : findings) fmt::print("{}\n", finding);
  if (!findings.empty()) return ExitCode::findings;
  auto [tasks, entries] = workspace->database->read_now([](db::Tx& tx) {
    return std::pair(tx.number("SELECT COUNT(*) FROM fg_task"), tx.number("SELECT COUNT(*) FROM fg_credit_entry"));
  });
  say({fmt::format("{}, {}: every invariant holds", counted(tasks, "task"), counted(entries, "ledger entry", "ledger entries")),
       fmt::format("{} 个任务、{} 条账目：全部校验通过", tasks, entries)});
  return ExitCode::ok;
}

}  // namespace

void add_db(CLI::App& cli, Config& config, ExitCode& exit_code) {
  auto* command = cli.add_subcommand("db", "Care of the database");
  command->require_subcommand(1);
  auto words = std::make_shared<Words>();

  command->add_subcommand("check", "List what is missing or different; exit code 1 if anything is. Changes nothing")
      ->callback([&config, &exit_code] { exit_code = check(config); });

  auto* mend = command->add_subcommand("repair", "Add what is missing; take over the database of the Python fork or of Open WebUI");
  mend->add_flag("--dry-run", words->dry_run, "Show the plan, change nothing");
  mend->add_flag("-y,--yes", words->yes, "Do not ask (nobody is asked without a terminal)");
  mend->add_flag("--give-back", words->give_back, "Give back the credits of old tasks that never ended and cannot be resumed");
  mend->callback([&config, &exit_code, words] { exit_code = repair(config, *words); });

  auto* schema = command->add_subcommand("schema", "Print the schema as SQL that is safe to run again");
  schema->add_option("--dialect", words->dialect, "For which engine")->check(CLI::IsMember({"sqlite", "postgresql"}))->capture_default_str();
  schema->callback([&exit_code, words] { exit_code = print_schema(*words); });

  command->add_subcommand("backup", "Copy the database, also beside a running server: to DATA_DIR/backups. On PostgreSQL the tables that "
                                       "Fluxgate uses, to a schema (pg_dump copies all)")
      ->callback([&config, &exit_code] { exit_code = backup(config); });

  auto* back = command->add_subcommand("restore", "Put a backup back; what is there now is kept aside. No server may run");
  back->add_option("backup", words->backup, "The file, or the schema on PostgreSQL")->required();
  back->callback([&config, &exit_code, words] { exit_code = restore(config, *words); });

  command->add_subcommand("verify", "Check every invariant of tasks, credits and files; works beside a running server")
      ->callback([&config, &exit_code] { exit_code = verify(config); });
}

}  // namespace fluxgate::app

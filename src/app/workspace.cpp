#include "app/workspace.h"

#include <filesystem>

#include <fmt/format.h>

#include "app/database_url.h"
#include "app/repair.h"
#include "base/log.h"
#include "db/lacking_rights.h"
#include "db/schema.h"
#include "files/stock.h"
#include "stats/usage.h"

namespace fluxgate::app {
namespace {

Result<void> make_data_folder(const Config& config) {
  std::error_code made;
  std::filesystem::create_directories(config.data_dir, made);
  if (!made) return {};
  return fail(Errc::internal, "data_dir",
              {fmt::format("The data folder {} cannot be made: {}. Name another with --data-dir.", config.data_dir, made.message()),
               fmt::format("无法创建数据目录 {}：{}。请用 --data-dir 指定其他目录。", config.data_dir, made.message())});
}

std::unexpected<Error> refused(const db::Plan& plan) {
  constexpr std::size_t kShown = 5;
  db::adopt::Lines lines = plan.lines;
  if (!plan.possible()) std::erase_if(lines, [](const auto& line) { return line.level != db::adopt::Level::error; });
  Text what;
  for (std::size_t i = 0; i < std::min(lines.size(), kShown); ++i) {
    what.en += fmt::format("\n{}", describe(lines[i], Language::en));
    what.zh += fmt::format("\n{}", describe(lines[i], Language::zh));
  }
  if (lines.size() > kShown) {
    what.en += fmt::format("\n  and {} more: fluxgate db check", lines.size() - kShown);
    what.zh += fmt::format("\n  另有 {} 项，详见 fluxgate db check", lines.size() - kShown);
  }
  if (plan.state == db::State::newer) return fail(Errc::internal, "database_newer", plan.lines.front().text);
  if (!plan.possible())
    return fail(Errc::internal, "not_possible",
                {fmt::format("This database cannot be served or repaired as it is; see ✗. Nothing was changed.{}", what.en),
                 fmt::format("无法按现状使用或修复该数据库，见 ✗。未做任何更改。{}", what.zh)});
  return fail(Errc::internal, "needs_repair",
              {fmt::format("This database needs repair. Stop the program that uses it, then run `fluxgate db repair` or serve with "
                           "--repair: it makes a backup first. Nothing was changed.{}", what.en),
               fmt::format("该数据库需要修复。请停止使用它的程序，然后运行 `fluxgate db repair` 或以 --repair 启动（会先备份）。未做任何更改。{}",
                           what.zh)});
}

Result<void> repair_now(const Config& config, const std::string& url) {
  RepairWishes wishes;
  wishes.go_on = [](const db::Plan& plan) {
    for (const auto& line : plan.lines) log::info("repair, planned: {}: {}", line.table.empty() ? "-" : line.table, line.text.en);
    return true;
  };
  FLUX_TRY(done, repair_database(config, url, wishes));
  if (!done.plan.possible()) return refused(done.plan);
  if (done.backup)
    log::info("repair: the backup is {}{}", done.backup->place,
              done.plan.adopts ? "; it holds the old secrets in clear text: keep it safe or delete it" : "");
  for (const auto& line : done.report) log::info("repair, done: {}: {}", line.table.empty() ? "-" : line.table, line.text.en);
  if (!done.scrubbed) log::warn("repair: VACUUM failed, so deleted secrets may still lie in the file; run it when there is room");
  return {};
}

// Refuses what is not ready, repairs it, or finds that it needs no more than setting up.
Result<void> settle(const Config& config, const std::string& url, const db::Plan& plan, Access access) {
  if (plan.state == db::State::newer) return refused(plan);
  if (access == Access::read && plan.state == db::State::outdated && plan.version < db::kSchemaVersion) return refused(plan);
  if (plan.state != db::State::needs_repair) return {};
  if (!config.repair) return refused(plan);
  return repair_now(config, url);
}

// Rows that came from elsewhere, or from a version that did not count them, are not counted yet.
void take_stock(db::Database& database) {
  if (database.read_now(files::needs_stock)) database.write_now(files::take_stock);
  if (database.read_now(stats::needs_stock)) database.write_now(stats::take_stock);
}

void set_up(db::Database& database, const db::Plan& plan, Access access) {
  if (plan.state == db::State::ready && access == Access::serve)
    for (const auto& line : plan.lines) log::warn("{}: {}", line.table.empty() ? "-" : line.table, line.text.en);
  if (plan.state == db::State::ready) return;
  if (plan.state == db::State::outdated && plan.version < db::kSchemaVersion)
    log::info("the database's schema is brought from version {} to {}", plan.version, db::kSchemaVersion);
  else if (plan.state == db::State::outdated && access == Access::look)
    return;  // lacks indexes only
  else if (plan.state == db::State::outdated)
    for (const auto& line : plan.lines) log::info("made again: {}: {}", line.table, line.text.en);
  database.write_now([now = system_clock().now_ms()](db::Tx& tx) { db::create_missing(tx, now); });
}

Result<void> expect_something(const std::string& url, const db::Plan& plan, Access access) {
  if ((access != Access::look && access != Access::read) || plan.state != db::State::empty) return {};
  return fail(no_database(db::care_for(url)->described()));
}

Result<Workspace> open_place(const Config& config, const std::string& url, Access access) {
  const db::OpenOptions options{.read_only = access == Access::read, .exclusive_server = access == Access::serve, .connections = config.database_connections};
  Workspace workspace;
  db::Plan plan;
  const auto look = [&](db::Tx& tx) { plan = db::make_plan(tx, {.data_dir = config.data_dir}); };
  // A file is looked at before it is opened for writing, which alone changes bytes of one that is not ours. A server
  // may be just starting; opening it waits for that.
  if (const bool file = url.starts_with("sqlite:///"); file) {
    auto care = db::care_for(url);
    if (care->exists()) care->read(look);
    FLUX_CHECK(expect_something(url, plan, access));
    FLUX_CHECK(settle(config, url, plan, access));
    workspace.database = db::open(url, options);
  } else {
    workspace.database = db::open(url, options);
    workspace.database->read_now(look);
    if (access != Access::read)
      if (auto missing = workspace.database->read_now(db::lacking_rights)) return fail(Errc::internal, "database_rights", *missing);
    FLUX_CHECK(expect_something(url, plan, access));
    FLUX_CHECK(settle(config, url, plan, access));
  }
  if (access == Access::read) return workspace;
  set_up(*workspace.database, plan, access);
  take_stock(*workspace.database);
  return workspace;
}

}  // namespace

Error no_database(const std::string& described) {
  return Error(Errc::not_found, "no_database",
               {fmt::format("{}: nothing there yet. `fluxgate serve` sets it up; --data-dir names another folder.", described),
                fmt::format("{}：尚无数据，`fluxgate serve` 会完成初始化；可用 --data-dir 指定其他目录。", described)});
}

Result<Workspace> open_workspace(const Config& config, Access access) {
  if (access != Access::look && access != Access::read) FLUX_CHECK(make_data_folder(config));
  FLUX_TRY(url, database_url(config));
  try {
    return open_place(config, url, access);
  } catch (const db::Failure& failure) {
    return fail(database_error(failure));
  }
}

}  // namespace fluxgate::app

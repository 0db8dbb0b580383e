#include "app/workspace.h"

#include <filesystem>

#include <fmt/format.h>

#include "app/database_url.h"
#include "base/log.h"
#include "db/schema.h"

namespace fluxgate::app {
namespace {

enum class Place { empty, ours, others };

Place look(db::Tx& tx) {
  auto tables = tx.dialect() == db::Dialect::sqlite
                    ? tx.number("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
                    : tx.number("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema()");
  if (tables == 0) return Place::empty;
  auto ours = tx.dialect() == db::Dialect::sqlite
                  ? tx.number("SELECT COUNT(*) FROM sqlite_master WHERE name = 'fg_migration'")
                  : tx.number("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'fg_migration'");
  return ours != 0 ? Place::ours : Place::others;
}

}  // namespace

Result<Workspace> open_workspace(const Config& config, Access access) {
  std::error_code made;
  std::filesystem::create_directories(config.data_dir, made);
  if (made)
    return fail(Errc::internal, "data_dir",
                {fmt::format("The data folder {} cannot be made: {}. Name another with --data-dir.", config.data_dir, made.message()),
                 fmt::format("无法创建数据目录 {}：{}。请用 --data-dir 指定其他目录。", config.data_dir, made.message())});
  FLUX_TRY(url, database_url(config));
  Workspace workspace;
  try {
    workspace.database =
        db::open(url, {.exclusive_server = access == Access::serve, .connections = config.database_connections});
    Place place = workspace.database->read_now([](db::Tx& tx) { return look(tx); });
    if (place == Place::others && !config.repair)
      return fail(Errc::internal, "needs_repair",
                  {"This database was not made by Fluxgate. Stop the program that uses it, make a copy, then serve with --repair.",
                   "该数据库不是由 Fluxgate 创建的。请先停止使用它的程序并备份，然后以 --repair 启动。"});
    workspace.database->write_now([now = system_clock().now_ms()](db::Tx& tx) { db::create_missing(tx, now); });
  } catch (const db::Failure& failure) {
    return fail(Errc::internal, "database", {failure.what(), failure.what()});
  }
  return workspace;
}

}  // namespace fluxgate::app

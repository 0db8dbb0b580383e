#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/commands/commands.h"
#include "app/commands/files_check.h"
#include "app/commands/files_tool.h"
#include "files/storage_stats.h"

namespace fluxgate::app {
namespace {

struct MigrateOptions {
  std::string from = "local", to;
  int at_once = 4;
};

struct Migration {
  std::vector<files::PlacedObject> page;
  std::size_t next = 0;
  std::int64_t done = 0, moved = 0, failed = 0, kept = 0, busy = 0;
  std::uint64_t bytes = 0;
  std::optional<Error> stopped_by;  // nothing would go on
};

awaitable<void> migrate_some(FilesTool& tool, Migration& work, files::OpenStorePtr to, ProgressLine& progress) {
  using What = files::MoveResult::What;
  while (work.next < work.page.size() && !work.stopped_by) {
    const files::PlacedObject object = work.page[work.next++];
    files::MoveResult result;
    if (!to || files::takes(to->row, object.mime, object.size)) result = co_await tool.depot().move(object.key, to);
    ++work.done;
    if (result.what == What::moved) {
      ++work.moved;
      work.bytes += object.size;
    } else if (result.what == What::failed) {
      ++work.failed;
      if (files::decision_of(*result.error) == files::Decision::final)
        fmt::print(stderr, "{}: {}\n", object.key, result.error->message().en);
      else
        work.stopped_by = std::move(result.error);
    } else {
      ++(result.what == What::busy ? work.busy : work.kept);
    }
    progress.show(work.done, work.bytes);
  }
}

Error no_such_store(std::string_view kind) {
  return Error(Errc::invalid, "store_unknown",
               {fmt::format("No {} storage is configured; an administrator sets it up under /api/v1/storage/config.", kind),
                fmt::format("未配置 {} 存储；请管理员在 /api/v1/storage/config 中设置。", kind)});
}

// Every place of that kind but the one they go to: a new bucket takes over from the old one.
Result<std::vector<std::string>> places_of(const files::Stores& stores, const std::string& kind, const files::OpenStorePtr& to) {
  std::vector<std::string> places;
  if (kind == "local" && to) places.emplace_back(files::kLocal);
  bool any = false;
  for (const auto& [id, store] : stores.by_id) {
    if (kind == "local" || store->row.provider != provider_of_kind(kind)) continue;
    any = true;
    if (!to || to->row.id != id) places.push_back(id);
  }
  if (!places.empty()) return places;
  if (kind != "local" && !any) return fail(no_such_store(kind));
  return fail(Errc::invalid, "same_place",
              {fmt::format("--from and --to both mean the only {} place there is: nothing can be moved.", kind),
               fmt::format("--from 与 --to 指向同一个 {} 位置，无需迁移。", kind)});
}

// All objects of one place, a page at a time.
void migrate_from(FilesTool& tool, const std::string& from, const files::OpenStorePtr& to, int at_once, Migration& work,
                  ProgressLine& progress) {
  constexpr int kPage = 500;
  std::string after;
  while (!work.stopped_by) {
    work.next = 0;
    work.page = tool.database().read_now([from, after](db::Tx& tx) { return files::objects_at(tx, from, "", after, kPage); });
    if (work.page.empty()) return;
    after = work.page.back().key;
    std::vector<awaitable<void>> all;
    for (int i = 0; i < at_once; ++i) all.push_back(migrate_some(tool, work, to, progress));
    tool.run(std::move(all));
  }
}

void tell(const Migration& work, const files::OpenStorePtr& to) {
  fmt::print("{} moved ({:.1f} MB), {} failed, {} left where they are\n", work.moved, static_cast<double>(work.bytes) / 1e6, work.failed,
             work.kept + work.busy);
  if (work.kept > 0 && to)
    fmt::print("{}: not taken by the storage as it is configured (allowed_types {}; max_file_size {})\n", work.kept,
               fmt::join(to->row.allowed_types, " "), to->row.max_file_size == 0 ? "none" : std::to_string(to->row.max_file_size));
  if (work.busy > 0) fmt::print("{}: the server is moving them itself just now\n", work.busy);
}

ExitCode migrate(FilesTool& tool, const MigrateOptions& options) {
  const auto stores = tool.depot().stores();
  files::OpenStorePtr to;
  if (options.to != "local" && !(to = store_of_kind(*stores, options.to))) return report(no_such_store(options.to));
  const auto places = places_of(*stores, options.from, to);
  if (!places) return report(places.error());
  std::int64_t total = 0;
  for (const std::string& from : *places)
    total += tool.database().read_now([from](db::Tx& tx) { return files::stock_at(tx, from).objects; });
  ProgressLine progress(fmt::format("{} to {}", options.from, options.to), total);
  Migration work;
  for (const std::string& from : *places) migrate_from(tool, from, to, options.at_once, work, progress);
  progress.end();
  tell(work, to);
  if (work.stopped_by) return report(*work.stopped_by);
  return work.failed == 0 ? ExitCode::ok : ExitCode::failed;
}

template <class F>
ExitCode with_tool(const Config& config, F act) {
  configure_log(config);
  auto tool = FilesTool::open(config);
  if (!tool) return report(tool.error());
  try {
    return act(**tool);
  } catch (const std::exception& error) {
    fmt::print(stderr, "fluxgate: {}\n", error.what());
    return ExitCode::failed;
  }
}

}  // namespace

void add_files(CLI::App& cli, Config& config, ExitCode& exit_code) {
  auto* command = cli.add_subcommand("files", "Care of stored files; works beside a running server");
  command->require_subcommand(1);

  auto moving = std::make_shared<MigrateOptions>();
  auto* move = command->add_subcommand("migrate", "Move stored files from one place to another; can be stopped and begun again");
  const CLI::IsMember places({"local", "cos", "s3"});
  move->add_option("--from", moving->from, "Where they are; of several storages of a kind all but the one they go to")->check(places)->capture_default_str();
  move->add_option("--to", moving->to, "Where they go; a configured storage")->check(places)->required();
  move->add_option("--at-once", moving->at_once, "How many at the same time")->check(CLI::Range(1, 64))->capture_default_str();
  move->callback([&config, &exit_code, moving] {
    exit_code = with_tool(config, [&](FilesTool& tool) { return migrate(tool, *moving); });
  });

  auto verifying = std::make_shared<VerifyOptions>();
  auto* verify = command->add_subcommand("verify", "Check that every stored file is where it should be, whole; exit 1 when not");
  verify->add_flag("--quick", verifying->quick, "Compare sizes only; read no file");
  verify->callback([&config, &exit_code, verifying] {
    exit_code = with_tool(config, [&](FilesTool& tool) { return verify_files(tool, *verifying); });
  });

  auto collecting = std::make_shared<CollectOptions>();
  auto* collect = command->add_subcommand("gc", "Find what nobody needs any more; removes it only with --yes");
  collect->add_option("--older-than", collecting->older_than_s, "Seconds; younger things are left alone")
      ->check(CLI::Range(0, 365 * 86'400))->capture_default_str();
  auto* yes = collect->add_flag("--yes", collecting->yes, "Remove what is found");
  collect->add_flag("--dry-run", collecting->dry_run, "Only tell, which is what happens without --yes")->excludes(yes);
  collect->callback([&config, &exit_code, collecting] {
    exit_code = with_tool(config, [&](FilesTool& tool) { return collect_files(tool, *collecting); });
  });
}

}  // namespace fluxgate::app

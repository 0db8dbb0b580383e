#include "api/storage_routes.h"

#include <algorithm>

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include "api/storage_config.h"
#include "base/ids.h"
#include "files/depot.h"
#include "files/rows.h"
#include "files/storage_stats.h"
#include "files/stores/connection_test.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using files::StoreRow;
using identity::Role;

constexpr std::int64_t kOffsetMax = 10'000;  // rows that may be skipped
constexpr int kPageMax = 100, kPageDefault = 20;

Error storage_off() {
  return Error(Errc::bad_request, "storage_off",
               {"No file storage is set up and enabled; files are kept on this server.", "未配置或未启用文件存储，文件保存在本服务器。"});
}

// ---- configuration ----

Answer show_config(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  const auto row = co_await api.parts.database.read([](db::Tx& tx) { return files::shown_store(tx); });
  co_return private_json(store_json(row.value_or(StoreRow{}), api.parts.sealer));
}

// A form that names another bucket makes a store of its own: what lies in the old one stays readable.
Answer save_config(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  const Millis now = api.parts.clock.now_ms();
  auto saved = co_await api.parts.database.write(
      [&sealer = api.parts.sealer, body, now, id = new_id(now)](db::Tx& tx) -> Result<StoreRow> {
        const auto rows = files::load_stores(tx);
        const StoreRow before = rows.empty() ? StoreRow{} : rows.front();
        FLUX_TRY(row, read_store_form(body, before, sealer));
        const auto same = std::ranges::find_if(rows, [&](const StoreRow& known) { return files::same_place(known, row); });
        row.id = same == rows.end() ? id : same->id;
        row.created_at = same == rows.end() ? now : same->created_at;
        row.updated_at = std::max(now, before.updated_at + 1);  // so that every node sees that it changed
        files::save_store(tx, row);
        return row;
      });
  FLUX_CO_TRY(row, std::move(saved));
  co_await api.parts.depot.refresh();
  api.parts.depot.wake();
  const Text words{"The storage configuration is saved.", "存储配置已保存。"};
  co_return private_json({{"success", true},
                          {"message", words.in(request.language())},
                          {"config",
                           {{"id", row.id},
                            {"provider", row.provider},
                            {"enabled", row.enabled},
                            {"region", row.region},
                            {"bucket", row.bucket.empty() ? json::value(nullptr) : json::value(row.bucket)},
                            {"auto_upload", row.auto_upload}}}});
}

Answer test_config(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  const auto row = co_await api.parts.database.read([](db::Tx& tx) { return files::shown_store(tx); });
  if (!row || !row->enabled || !row->is_remote()) co_return fail(storage_off());
  const auto language = request.language();
  auto store = api.parts.depot.open(*row);
  if (!store) co_return private_json({{"success", false}, {"message", store.error().message().in(language)}});
  const auto report = co_await (*store)->test();
  json::array steps;
  for (const auto& step : report.steps)
    steps.push_back({{"name", step.name}, {"ok", step.ok}, {"message", step.message.in(language)}});
  json::object details{{"bucket", row->bucket},
                       {"region", row->region},
                       {"status", report.ok ? "connected" : report.failure_code},
                       {"steps", std::move(steps)}};
  if (report.clock_offset_ms) details["clock_offset_ms"] = *report.clock_offset_ms;
  co_return private_json({{"success", report.ok}, {"message", files::summary(report).in(language)}, {"details", std::move(details)}});
}

// ---- the caller's files ----

json::object file_json(const Api& api, const files::ListedFile& file) {
  const auto& row = file.row;
  const bool there = file.status == "uploaded";
  boost::system::error_code broken;
  const json::value metadata = file.metadata.empty() ? json::value(json::object{}) : json::parse(file.metadata, broken);
  const auto or_null = [](const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); };
  const std::string link =
      there ? api.parts.info.public_url + api.parts.files.link(row.id, row.filename, api.parts.clock.now_ms()) : "";
  return {{"id", row.id},
          {"filename", row.filename},
          {"file_type", file.file_type},
          {"file_size", row.size},
          {"mime_type", row.mime},
          {"cloud_url", or_null(link)},
          {"source_type", row.source_type},
          {"source_task_id", or_null(row.source_task_id)},
          {"status", file.status},
          {"metadata", broken ? json::value(json::object{}) : metadata},
          {"created_at", iso8601(row.created_at)},
          {"error_message", or_null(file.error)}};
}

Answer list_files(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  constexpr std::int64_t kAny = 1ll << 40;
  FLUX_CO_TRY(page, query_integer(request, "page", 1, -kAny, kAny));
  FLUX_CO_TRY(limit, query_integer(request, "limit", kPageDefault, -kAny, kAny));
  page = std::max<std::int64_t>(page, 1);
  if (limit < 1 || limit > kPageMax) limit = kPageDefault;  // as the original did
  if ((page - 1) * limit > kOffsetMax)
    co_return refuse_field("query", "page", "use_filters",
                           {fmt::format("Only the first {} files can be paged through; narrow the list.", kOffsetMax),
                            fmt::format("最多可翻阅前 {} 个文件，请缩小筛选范围。", kOffsetMax)},
                           page, {{"max_offset", kOffsetMax}});
  files::FileQuery query{principal.user_id, request.query("file_type").value_or(""), request.query("source_type").value_or(""),
                         request.query("status").value_or(""), (page - 1) * limit, static_cast<int>(limit)};
  const auto found = co_await api.parts.database.read([query](db::Tx& tx) { return files::list_rows(tx, query); });
  json::array data;
  for (const auto& file : found.files) data.push_back(file_json(api, file));
  co_return private_json({{"data", std::move(data)},
                          {"total", found.total},
                          {"page", page},
                          {"limit", limit},
                          {"pages", (found.total + limit - 1) / limit}});
}

Answer delete_file(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  const bool removed = co_await api.parts.database.write(
      [id = std::string(request.param("id")), owner = scope_of(principal), now = api.parts.clock.now_ms()](db::Tx& tx) {
        return files::remove_row(tx, id, owner, now);
      });
  if (!removed) co_return fail(Errc::not_found, "file_not_found", {"There is no such file.", "文件不存在。"});
  api.parts.tasks.files_deleted();
  const Text words{"The file is deleted.", "文件已删除。"};
  co_return private_json({{"success", true}, {"message", words.in(request.language())}});
}

Answer show_usage(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  const auto usage = co_await api.parts.database.read([user = principal.user_id](db::Tx& tx) { return files::usage_view(tx, user); });
  co_return private_json(usage);
}

// ---- moving ----

// One after the other, for a request's time at most; whoever has more calls again.
struct Migration {
  std::string source_type;
  std::int64_t batch = 0;
  std::string after;  // the last one that was looked at
  std::int64_t moved = 0, failed = 0, kept = 0;
  std::optional<Error> error;

  bool has_enough() const { return moved + failed >= batch; }
};

// False when the others would not go either.
awaitable<bool> migrate_one(files::Depot& depot, Migration& work, std::string key, files::OpenStorePtr to) {
  auto result = co_await depot.move(std::move(key), std::move(to));
  if (result.what == files::MoveResult::What::moved) ++work.moved;
  if (result.what != files::MoveResult::What::failed) co_return true;
  ++work.failed;
  work.error = std::move(result.error);
  co_return !work.error || files::decision_of(*work.error) == files::Decision::final;
}

awaitable<void> migrate_some(files::Depot& depot, db::Database& database, std::shared_ptr<Migration> work, files::OpenStorePtr to,
                             std::chrono::steady_clock::time_point until) {
  constexpr int kPage = 500;
  for (;;) {
    const auto page = co_await database.read(
        [after = work->after, source = work->source_type](db::Tx& tx) { return files::objects_at(tx, files::kLocal, source, after, kPage); });
    for (const auto& object : page) {
      if (work->has_enough() || std::chrono::steady_clock::now() >= until || depot.stopping()) co_return;
      work->after = object.key;
      if (!files::takes(to->row, object.mime, object.size)) {
        ++work->kept;
        continue;
      }
      const bool goes_on = co_await migrate_one(depot, *work, object.key, to);
      if (!goes_on) co_return;
    }
    if (static_cast<int>(page.size()) < kPage) co_return;
  }
}

Answer migrate(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  FLUX_CO_TRY(batch, query_integer(request, "batch_size", 100, 1, 1000));
  const auto known = api.parts.depot.stores();
  if (!known->current) co_return fail(storage_off());
  auto work = std::make_shared<Migration>();
  work->source_type = request.query("source_type").value_or("");
  work->batch = batch;
  constexpr std::chrono::seconds kLimit(50);
  co_await boost::asio::co_spawn(
      api.parts.engine.executor(),
      migrate_some(api.parts.depot, api.parts.database, work, known->current, std::chrono::steady_clock::now() + kLimit), use_awaitable);
  const auto remaining = co_await api.parts.database.read([after = work->after, source = work->source_type](db::Tx& tx) {
    return files::count_at(tx, files::kLocal, source, after);
  });
  Text words{fmt::format("{} files were moved; {} are still to be looked at.", work->moved, remaining),
             fmt::format("已迁移 {} 个文件，还有 {} 个待处理。", work->moved, remaining)};
  if (work->kept > 0) {
    words.en += fmt::format(" {} stay: the storage does not take their type or size.", work->kept);
    words.zh += fmt::format("{} 个保留在本服务器：存储设置不接受其类型或大小。", work->kept);
  }
  if (work->error) words = work->error->message();
  co_return private_json({{"success", !work->error.has_value()},
                          {"migrated_count", work->moved},
                          {"failed_count", work->failed},
                          {"kept_count", work->kept},
                          {"remaining", remaining},
                          {"message", words.in(request.language())}});
}

Answer stats(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  const auto view = co_await api.parts.database.read([now = api.parts.clock.now_ms()](db::Tx& tx) { return files::stats_view(tx, now); });
  co_return private_json({{"success", true}, {"stats", view}});
}

}  // namespace

void add_storage_routes(http::Router& router, const ApiPtr& api) {
  router.get("/api/v1/storage/config", bind(api, show_config));
  router.post("/api/v1/storage/config", bind(api, save_config));
  router.put("/api/v1/storage/config", bind(api, save_config));
  router.post("/api/v1/storage/test", bind(api, test_config));
  router.get("/api/v1/storage/files/generated", bind(api, list_files));
  router.del("/api/v1/storage/files/generated/{id}", bind(api, delete_file));
  router.post("/api/v1/storage/files/migrate", bind(api, migrate));
  router.get("/api/v1/storage/stats", bind(api, stats));
  router.get("/api/v1/storage/usage", bind(api, show_usage));
}

}  // namespace fluxgate::api

#include "files/depot.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fcntl.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "db/turns.h"
#include "files/mogr.h"
#include "files/rows.h"
#include "net/http_client.h"

namespace fluxgate::files {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> no_such_object() {
  return fail(Errc::not_found, "file_not_found", {"The file does not exist.", "文件不存在。"});
}

Error folder_not_shared() {
  return Error(Errc::unavailable, "folder_not_shared",
               {"This server has a data folder of its own, where the others would not find the file. An administrator has to "
                "share the folder or set up a file storage.",
                "本节点使用独立的数据目录，其他节点无法读取文件；请管理员共享目录或配置对象存储。"})
      .retry_after(60);
}

// What a store was made from, to see whether it changed.
std::string fingerprint(const std::vector<StoreRow>& rows) {
  std::string text;
  for (const StoreRow& row : rows) text += fmt::format("{} {} {};", row.id, row.enabled, row.updated_at);
  return text;
}

bool exists(const std::string& path) { return ::access(path.c_str(), R_OK) == 0; }

}  // namespace

Error store_away(const Error& why) {
  return Error(Errc::unavailable, "store_unavailable",
               {"The file storage cannot be reached or refuses; try again in a minute.", "文件存储暂时不可用，请稍后重试。"})
      .retry_after(60)
      .log(fmt::format("{}: {} {}", why.code(), why.message().en, why.internal()));
}

std::unexpected<Error> no_direct_store() {
  return fail(Errc::conflict, "direct_upload_unsupported",
              {"This server takes files itself: upload them by form or with tus (POST /api/v1/uploads).",
               "文件由本服务器接收，请通过表单或 tus（POST /api/v1/uploads）上传。"});
}

Depot::Depot(boost::asio::any_io_executor executor, net::HttpClient& client, db::Database& database,
             const crypto::Sealer& sealer, const Clock& clock, DepotOptions options)
    : client_(client),
      database_(database),
      sealer_(sealer),
      clock_(clock),
      options_(std::move(options)),
      disk_(options_.directory),
      pool_(2, 1024),
      group_(executor),
      due_(executor),
      tidy_due_(executor) {
  fs::create_directories(options_.directory + "/copies");
}

Depot::~Depot() = default;

std::shared_ptr<const Stores> Depot::stores() const {
  const std::lock_guard lock(mutex_);
  return stores_;
}

Result<std::shared_ptr<Store>> Depot::open(const StoreRow& row) {
  FLUX_TRY(settings, settings_of(row, sealer_));
  StoreParts parts{client_, group_.executor(), pool_, clock_};
  parts.ending = [this] { return group_.stopping(); };
  FLUX_TRY(store, make_store(std::move(settings), std::move(parts)));
  return std::shared_ptr<Store>(std::move(store));
}

awaitable<void> Depot::refresh() {
  if (folder_.empty()) co_await learn_folder();
  struct Seen {
    std::vector<StoreRow> rows;
    std::string home;
    bool others;
  };
  const auto seen = co_await database_.read([folder = folder_, at = now()](db::Tx& tx) {
    Seen all{load_stores(tx), "", false};
    all.home = tx.first("SELECT value FROM fg_once WHERE name = 'files.folder'", {}, [](const db::Row& row) { return row.str(0); })
                   .value_or(folder);
    if (tx.dialect() == db::Dialect::sqlite) return all;
    all.others = tx.number("SELECT 1 FROM fg_node_folder f JOIN fg_node n ON n.id = f.node_id WHERE f.folder <> $1 AND "
                           "n.lease_until > $2 LIMIT 1",
                           {folder, db::shared_now(tx, at)}) != 0;
    return all;
  });
  auto next = std::make_shared<Stores>();
  next->home = seen.home;
  next->disk_is_shared = seen.home == folder_ && !seen.others;
  const std::string print = fingerprint(seen.rows);
  const std::lock_guard lock(mutex_);
  if (print == seen_settings_) {
    next->by_id = stores_->by_id;
    next->current = stores_->current;
  }
  for (const StoreRow& row : seen.rows) {
    if (print == seen_settings_ || !row.is_remote()) continue;
    auto made = std::make_shared<OpenStore>();
    made->row = row;
    auto opened = open(row);
    if (opened) made->store = std::move(*opened);
    else made->broken = std::move(opened).error();
    next->by_id[row.id] = made;
    if (row.enabled) next->current = made;
  }
  seen_settings_ = print;
  stores_ = std::move(next);
}

std::string Depot::preview_by_store(const FileRow& row, int side, PreviewFormat as) const {
  const auto known = stores();
  const auto found = known->by_id.find(row.place);
  if (found == known->by_id.end()) return "";
  const StoreRow& store = found->second->row;
  if (store.provider != "tencent-cos" || !store.image_processing) return "";
  return mogr_preview({.mime = row.mime, .size = row.size}, side, as).value_or("");
}

Result<DirectStore> Depot::direct_store() const {
  const auto current = stores()->current;
  if (!current || current->row.delivery == "proxy") return no_direct_store();
  if (!current->store) return fail(store_away(*current->broken));
  return DirectStore{current->store, current->row.base_path, current->row.id};
}

Result<std::shared_ptr<Store>> Depot::store_named(const std::string& id) const {
  const auto known = stores();
  const auto found = known->by_id.find(id);
  if (found == known->by_id.end())
    return fail(Errc::not_found, "store_unknown", {"This file storage is not known any more.", "该文件存储已不存在。"});
  if (!found->second->store) return fail(store_away(*found->second->broken));
  return found->second->store;
}

bool Depot::can_read(const FileRow& row) const {
  if (row.place == kLocal) return true;
  const auto known = stores();
  const auto found = known->by_id.find(row.place);
  return found != known->by_id.end() && found->second->store != nullptr;
}

bool Depot::proxies(const FileRow& row, bool saved) const {
  const auto known = stores();
  const auto found = known->by_id.find(row.place);
  if (found == known->by_id.end() || found->second->row.delivery == "proxy") return true;
  if (!saved || !found->second->store) return false;
  const auto link = found->second->store->presigned_get(row.cloud_path, {});
  return link && link->plain;
}

Result<SignedRequest> Depot::link(const FileRow& row, LinkOptions options) const {
  const auto known = stores();
  const auto found = known->by_id.find(row.place);
  if (found == known->by_id.end()) return no_such_object();
  const OpenStore& from = *found->second;
  if (!from.store) return fail(store_away(*from.broken));
  options.lifetime_ms = from.row.link_seconds * 1000ll;
  if (options.image_process.empty()) options.content_type = row.mime;
  return from.store->presigned_get(row.cloud_path, options);
}

// ---- into the store, before anything refers to it ----

awaitable<Result<void>> Depot::deposit(Stored& stored) {
  const auto known = stores();
  if (known->disk_is_shared) co_return Result<void>();
  if (!known->current) {
    if (known->home == folder_) co_return Result<void>();
    co_return fail(folder_not_shared());
  }
  auto done = co_await deposit_in(known->current, stored);
  if (!done) {
    log::warn("storage: {} could not be stored: {} {}", stored.key, done.error().message().en, done.error().internal());
    co_return fail(store_away(done.error()));
  }
  co_return Result<void>();
}

awaitable<Result<void>> Depot::deposit_in(OpenStorePtr to, Stored& stored) {
  if (!to->store) co_return fail(*to->broken);
  auto known = co_await database_.read([key = stored.key](db::Tx& tx) { return objects::find(tx, key); });
  if (known && known->refs > 0 && !known->is_local()) {  // the same bytes are there
    stored.place = known->place;
    stored.cloud_path = known->cloud_path;
    stored.etag = known->etag;
    disk_.take_away(stored.key, std::chrono::milliseconds(0));
    co_return Result<void>();
  }
  Stored there = stored;
  there.place = to->row.id;
  there.cloud_path = path_in(to->row, stored.key, stored.mime);
  const bool reserved =
      co_await database_.write([there, at = now()](db::Tx& tx) { return objects::reserve(tx, there, at); });
  if (!reserved)
    co_return fail(Errc::unavailable, "being_removed", {"The same file is just being removed.", "相同的文件正在被删除。"});
  objects::Object object;
  object.key = stored.key;
  object.size = stored.size;
  auto put = co_await put_whole(to, object, disk_.path_of(stored.key), there.cloud_path, stored.mime);
  if (!put) co_return fail(std::move(put).error());
  there.etag = put->etag;
  if (known && known->refs > 0) {  // others have the same bytes on a disk: their rows come along, or would point to nothing
    const objects::Moved moved{there.place, to->row.provider, there.cloud_path, public_url(to->row, there.cloud_path), there.etag};
    const bool along = co_await database_.write([node = options_.node_id, key = there.key, moved, at = now()](db::Tx& tx) {
      const auto object = objects::claim_one(tx, node, key, at);
      if (!object) return false;
      if (object->is_local()) return objects::moved(tx, node, *object, moved, at);
      objects::put_back(tx, node, key, std::nullopt);
      return object->place == moved.place;
    });
    if (!along)
      co_return fail(Errc::unavailable, "being_moved", {"The same file is just being moved.", "相同的文件正在迁移。"});
  }
  stored = std::move(there);
  disk_.take_away(stored.key, std::chrono::milliseconds(0));
  co_return Result<void>();
}

// ---- copies of what is in stores ----

struct Depot::Fetch {
  explicit Fetch(const boost::asio::any_io_executor& executor) : done(executor) {
    done.expires_at(std::chrono::steady_clock::time_point::max());
  }
  boost::asio::steady_timer done;  // cancelled at the end
  std::optional<Result<std::string>> result;
};

std::string Depot::copy_path(const objects::Object& object) const {
  return fmt::format("{}/copies/{}", options_.directory, crypto::sha256_hex(object.place + "\n" + object.key));
}

awaitable<Result<std::string>> Depot::bring(std::string key) {
  auto object = co_await database_.read([key](db::Tx& tx) { return objects::find(tx, key); });
  if (!object || object->is_local()) co_return no_such_object();
  const std::string copy = copy_path(*object);
  if (::utimensat(AT_FDCWD, copy.c_str(), nullptr, 0) == 0) co_return copy;
  auto fetched = co_await boost::asio::co_spawn(group_.executor(), fetch(std::move(key)), use_awaitable);
  co_return fetched;
}

// One fetch of an object at a time; whoever comes meanwhile waits for it.
awaitable<Result<std::string>> Depot::fetch(std::string key) {
  auto object = co_await database_.read([key](db::Tx& tx) { return objects::find(tx, key); });
  if (!object || object->is_local()) co_return no_such_object();
  const std::string path = copy_path(*object);
  if (const auto found = fetches_.find(path); found != fetches_.end()) {
    const auto fetch = found->second;
    boost::system::error_code ignored;
    if (!fetch->result) co_await fetch->done.async_wait(boost::asio::redirect_error(use_awaitable, ignored));
    co_return fetch->result ? *fetch->result : Result<std::string>(no_such_object());
  }
  const auto known = stores();
  const auto from = known->by_id.find(object->place);
  if (from == known->by_id.end()) co_return no_such_object();
  const auto fetch = fetches_[path] = std::make_shared<Fetch>(group_.executor());
  Result<std::string> fetched = no_such_object();
  try {
    auto got = co_await fetch_from(from->second, *object, path);
    fetched = std::move(got);
  } catch (const std::exception& e) {
    fetched = fail(Error(Errc::unavailable, "storage_failed", {"The server's storage cannot be written.", "服务器存储无法写入。"}).log(e.what()));
  }
  fetch->result = fetched;
  fetches_.erase(path);
  fetch->done.cancel();
  co_return fetched;
}

awaitable<Result<std::string>> Depot::fetch_from(OpenStorePtr from, objects::Object object, std::string path) {
  if (!from->store) co_return fail(store_away(*from->broken));
  std::shared_ptr<Staged> staged = disk_.stage();
  auto broken = std::make_shared<std::optional<Error>>();
  auto got = co_await from->store->get(object.cloud_path, std::nullopt, [staged, broken](std::string_view piece) {
    auto written = staged->append(piece);
    if (!written) *broken = std::move(written).error();
    return !broken->has_value();
  });
  if (*broken) co_return fail(**broken);
  if (!got && got.error().errc() == Errc::not_found) co_return no_such_object();
  if (!got) co_return fail(store_away(got.error()));
  auto placed = co_await pool_.run(WhenFull::wait, "", [this, staged, path, object, where = from->store->description()]() -> Result<void> {
    FLUX_TRY(hash, staged->sha256());
    if (is_key(object.key) && hash != sha256_of(object.key))
      return fail(Error(Errc::unavailable, "object_damaged", {"The stored file is damaged.", "存储的文件已损坏。"})
                      .log(fmt::format("{} in {} has the hash {}", object.cloud_path, where, hash)));
    FLUX_CHECK(staged->flush());
    return disk_.place(*staged, path);
  });
  if (!placed) co_return fail(std::move(placed).error());
  co_return path;
}

awaitable<Result<std::string>> Depot::path_of_bytes(const objects::Object& object) {
  if (object.is_local()) {
    const std::string path = disk_.path_of(object.key);
    if (exists(path)) co_return path;
    co_return no_such_object();
  }
  auto brought = co_await bring(object.key);
  co_return brought;
}

// Those that nobody asked for the longest go first.
void Depot::trim_copies() const {
  struct Copy {
    fs::file_time_type used;
    std::uint64_t size;
    fs::path path;
  };
  std::vector<Copy> copies;
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(options_.directory + "/copies", error)) {
    std::error_code gone;
    Copy copy{entry.last_write_time(gone), entry.file_size(gone), entry.path()};
    if (gone) continue;
    bytes += copy.size;
    copies.push_back(std::move(copy));
  }
  std::ranges::sort(copies, {}, &Copy::used);
  for (const Copy& copy : copies) {
    if (bytes <= options_.copies_bytes) return;
    fs::remove(copy.path, error);
    bytes -= copy.size;
  }
}

}  // namespace fluxgate::files

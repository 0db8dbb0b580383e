// Bytes that are all there become a file of their user's.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>

#include "base/ids.h"
#include "files/names.h"
#include "files/objects.h"
#include "files/rules.h"
#include "files/stores/disk.h"
#include "files/uploads.h"

namespace fluxgate::files {
namespace {

std::string_view extension_in(std::string_view key) { return key.substr(key.rfind('.') + 1); }

Result<void> copy_into(Incoming& incoming, const std::string& path) {
  const Descriptor file(path, O_RDONLY);
  if (!file) return disk_error("open", path);
  std::string buffer(256 * 1024, '\0');
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return disk_error("read", path);
    if (got == 0) return {};
    FLUX_CHECK(incoming.write({buffer.data(), static_cast<std::size_t>(got)}));
  }
}

}  // namespace

FileRow Uploads::row_of(const std::string& user_id, std::string_view source, std::string_view name, const Stored& stored) const {
  FileRow row;
  row.created_at = clock_.now_ms();
  row.id = new_id(row.created_at);
  row.user_id = user_id;
  row.filename = safe_name(name, extension_in(stored.key), fmt::format("upload_{}", row.id));
  row.key = stored.key;
  row.mime = stored.mime;
  row.source_type = source;
  row.sha256 = stored.sha256;
  row.size = stored.size;
  return row;
}

// Whole bytes on the disk, one file behind the other, as any upload.
awaitable<Result<Stored>> Uploads::ingest(std::vector<std::string> paths, Purpose purpose) {
  std::shared_ptr<Incoming> incoming = files_.begin(purpose);
  auto copied = co_await disk_.run(WhenFull::wait, "", [paths, incoming]() -> Result<void> {
    for (const std::string& path : paths) {
      if (!std::filesystem::exists(path)) return not_found();  // given up meanwhile
      FLUX_CHECK(copy_into(*incoming, path));
    }
    return {};
  });
  FLUX_CO_CHECK(std::move(copied));
  auto stored = co_await incoming->finish();
  co_return stored;
}

awaitable<Result<Upload>> Uploads::settle(Upload upload) {
  auto stored = co_await ingest({path_of(upload.id)}, upload.purpose);
  if (!stored) {
    if (!may_pass(stored.error())) co_await give_up(upload.id);
    co_return std::unexpected(std::move(stored).error());
  }
  auto entered = co_await enter(upload, std::move(*stored));
  FLUX_CO_TRY(file, std::move(entered));
  ::unlink(path_of(upload.id).c_str());
  upload.offset = upload.length;
  upload.file = std::move(file);
  co_return upload;
}

awaitable<Result<KeptFile>> Uploads::enter(Upload upload, Stored stored) {
  FileRow row = row_of(upload.user_id, "upload", upload.name, stored);
  row.id = upload.id;
  auto inserted = co_await database_.write([this, row, stored](db::Tx& tx) -> Result<void> {
    FLUX_CHECK(check_room(tx, row.user_id, stored.size));
    if (tx.exec("UPDATE fg_upload SET stored = $2 WHERE id = $1 AND stored = $3", {row.id, fate::kFile, fate::kOpen}) == 0) return not_found();
    files_.insert(tx, row, stored);
    return {};
  });
  if (!inserted) {
    co_await abandon({stored});
    co_return std::unexpected(std::move(inserted).error());
  }
  co_return KeptFile{std::move(row), std::move(stored)};
}

awaitable<Result<KeptFile>> Uploads::insert_one(FileRow row, Stored stored) {
  KeptFile kept{std::move(row), std::move(stored)};
  auto inserted = co_await insert({kept});
  FLUX_CO_CHECK(std::move(inserted));
  co_return kept;
}

awaitable<Result<void>> Uploads::insert(std::vector<KeptFile> all) {
  auto inserted = co_await database_.write([this, all](db::Tx& tx) -> Result<void> {
    std::uint64_t bytes = 0;
    for (const KeptFile& kept : all) bytes += kept.stored.size;
    FLUX_CHECK(check_room(tx, all.front().row.user_id, bytes));
    for (const KeptFile& kept : all) files_.insert(tx, kept.row, kept.stored);
    return {};
  });
  if (inserted) co_return inserted;
  std::vector<Stored> unwanted;
  for (KeptFile& kept : all) unwanted.push_back(std::move(kept.stored));
  co_await abandon(std::move(unwanted));
  co_return inserted;
}

awaitable<void> Uploads::abandon(std::vector<Stored> all) {
  if (all.empty()) co_return;
  co_await database_.write([all, now = clock_.now_ms()](db::Tx& tx) { objects::abandon(tx, all, now); });
}

awaitable<std::vector<Result<Stored>>> Uploads::finish_all(std::vector<std::unique_ptr<Incoming>> all) {
  const auto executor = co_await boost::asio::this_coro::executor;
  using Finishing = decltype(boost::asio::co_spawn(executor, all.front()->finish(), boost::asio::deferred));
  std::vector<Finishing> finishing;
  for (const auto& incoming : all) finishing.push_back(boost::asio::co_spawn(executor, incoming->finish(), boost::asio::deferred));
  auto [order, thrown, finished] = co_await boost::asio::experimental::make_parallel_group(std::move(finishing))
                                       .async_wait(boost::asio::experimental::wait_for_all(), use_awaitable);
  for (const std::exception_ptr& exception : thrown)
    if (exception) std::rethrow_exception(exception);
  co_return std::move(finished);
}

}  // namespace fluxgate::files

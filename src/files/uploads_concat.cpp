// Uploads whose parts came side by side (tus concatenation).
#include <unistd.h>

#include "files/rules.h"
#include "files/uploads.h"

namespace fluxgate::files {
namespace {

std::unexpected<Error> unfinished(const std::string& id) {
  return fail(Error(Errc::conflict, "part_unfinished",
                    {"A part of this upload is not whole yet; send its bytes first.", "有分片尚未传完，请先传完该分片。"})
                  .with("part", boost::json::string(id)));
}

}  // namespace

// Locks the parts, in their order; their length in all. Whoever still adds to one holds its lock.
awaitable<Result<std::uint64_t>> Uploads::open_parts(std::shared_ptr<std::vector<PartialFile>> open, std::vector<std::string> ids,
                                                     std::string user_id) {
  std::uint64_t length = 0;
  for (const std::string& id : ids) {
    const auto part = co_await look_up(id, user_id);
    if (!part || !part->is_part()) co_return not_found();
    auto file = PartialFile::open(path_of(id));
    if (!file && file.error().errc() == Errc::conflict) co_return unfinished(id);
    FLUX_CO_TRY(bytes, std::move(file));
    if (bytes.length() < part->length) co_return unfinished(id);
    length += bytes.length();
    open->push_back(std::move(bytes));
  }
  co_return length;
}

awaitable<Result<Upload>> Uploads::concatenate(std::string user_id, Purpose purpose, std::string name, std::vector<std::string> parts,
                                               std::string concat, std::string metadata) {
  const auto open = std::make_shared<std::vector<PartialFile>>();  // until the end
  auto opened = co_await open_parts(open, parts, user_id);
  FLUX_CO_TRY(length, std::move(opened));
  FLUX_CO_TRY(upload, drafted(std::move(user_id), purpose, name, length));
  upload.concat = std::move(concat);
  upload.metadata = std::move(metadata);
  std::vector<std::string> paths;
  for (const PartialFile& file : *open) paths.push_back(file.path());
  auto stored = co_await ingest(paths, purpose);
  if (!stored) {
    if (!may_pass(stored.error()))
      for (const std::string& id : parts) co_await give_up(id);
    co_return std::unexpected(std::move(stored).error());
  }
  auto entered = co_await enter_joined(upload, std::move(*stored), parts);
  FLUX_CO_TRY(file, std::move(entered));
  for (const std::string& path : paths) ::unlink(path.c_str());
  upload.offset = upload.length;
  upload.file = std::move(file);
  co_return upload;
}

awaitable<Result<KeptFile>> Uploads::enter_joined(Upload upload, Stored stored, std::vector<std::string> parts) {
  FileRow row = row_of(upload.user_id, "upload", upload.name, stored);
  row.id = upload.id;
  auto inserted = co_await database_.write([this, row, stored, upload, parts](db::Tx& tx) -> Result<void> {
    FLUX_CHECK(check_room(tx, row.user_id, stored.size));
    for (const std::string& id : parts)
      if (tx.number("SELECT COUNT(*) FROM fg_upload WHERE id = $1 AND user_id = $2", {id, row.user_id}) == 0) return not_found();
    for (const std::string& id : parts) tx.exec("DELETE FROM fg_upload WHERE id = $1", {id});
    insert_row(tx, upload, fate::kFile);
    files_.insert(tx, row, stored);
    return {};
  });
  if (!inserted) {
    co_await abandon({stored});
    co_return std::unexpected(std::move(inserted).error());
  }
  co_return KeptFile{std::move(row), std::move(stored)};
}

}  // namespace fluxgate::files

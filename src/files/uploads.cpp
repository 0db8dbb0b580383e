#include "files/uploads.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/ids.h"
#include "files/names.h"
#include "files/purposes.h"
#include "files/rules.h"

namespace fluxgate::files {
namespace {

namespace fs = std::filesystem;

constexpr int kForgottenAtOnce = 500;

struct PurposeName {
  Purpose purpose;
  std::string_view word;
};
constexpr PurposeName kPurposes[] = {{Purpose::upload, "image"},
                                     {Purpose::video_upload, "video"},
                                     {Purpose::audio_upload, "audio"},
                                     {Purpose::media_upload, "any"}};

}  // namespace

std::optional<Purpose> purpose_named(std::string_view word) {
  const auto* found = std::ranges::find(kPurposes, word, &PurposeName::word);
  return found == std::end(kPurposes) ? std::nullopt : std::optional(found->purpose);
}

std::string_view name_of(Purpose purpose) {
  const auto* found = std::ranges::find(kPurposes, purpose, &PurposeName::purpose);
  return found == std::end(kPurposes) ? std::string_view() : found->word;
}

Uploads::Uploads(UploadOptions options, Files& files, db::Database& database, const Clock& clock, net::HttpClient& client,
                 boost::asio::any_io_executor client_executor)
    : options_(std::move(options)), files_(files), database_(database), clock_(clock), client_(client),
      client_executor_(std::move(client_executor)), disk_(2, 256) {
  fs::create_directories(options_.directory);
}

std::unexpected<Error> Uploads::not_found() {
  return fail(Errc::not_found, "upload_not_found", {"There is no such upload, or its time is over.", "上传不存在或已过期。"});
}

bool Uploads::may_pass(const Error& error) {
  return error.errc() != Errc::invalid && error.errc() != Errc::unsupported_media && error.errc() != Errc::payload_too_large;
}

// The id comes from a client; only one that is a row's gets here.
std::string Uploads::path_of(std::string_view id) const { return fmt::format("{}/{}", options_.directory, id); }

Result<Upload> Uploads::drafted(std::string user_id, Purpose purpose, std::string_view name, std::uint64_t length) const {
  if (length == 0) return fail(Errc::invalid, "empty_file", {"The file is empty.", "文件为空。"});
  if (length > files_.limit_of(purpose)) return fail(file_too_large(files_.limit_of(purpose)));
  Upload upload;
  upload.created_at = clock_.now_ms();
  upload.id = new_id(upload.created_at);
  upload.user_id = std::move(user_id);
  upload.name = plain_name(name);
  upload.purpose = purpose;
  upload.length = length;
  upload.expires_at = upload.created_at + options_.lifetime_ms;
  return upload;
}

void Uploads::insert_row(db::Tx& tx, const Upload& upload, int fate) {
  tx.exec(
      "INSERT INTO fg_upload (id, user_id, kind, name, length, direct, concat, stored, created_at, expires_at, metadata, place, "
      "object_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
      {upload.id, upload.user_id, name_of(upload.purpose), upload.name, upload.length, upload.direct ? 1 : 0, upload.concat, fate,
       upload.created_at, upload.expires_at, upload.metadata, upload.place, upload.object_key});
}

awaitable<Result<void>> Uploads::insert_open(Upload upload) {
  auto inserted = co_await database_.write([upload, most = options_.open_per_user](db::Tx& tx) -> Result<void> {
    FLUX_CHECK(check_room(tx, upload.user_id, upload.length));  // told before the bytes are sent; what counts is when they are there
    // Two at once count one after the other.
    tx.first("SELECT user_id FROM fg_credit_account WHERE user_id = $1" + std::string(tx.for_update()), {upload.user_id},
             [](const db::Row& row) { return row.str(0); });
    if (tx.number("SELECT COUNT(*) FROM fg_upload WHERE user_id = $1 AND stored = $2 AND expires_at > $3",
                  {upload.user_id, fate::kOpen, upload.created_at}) >= most)
      return fail(Error(Errc::too_many_requests, "too_many_uploads",
                        {fmt::format("You have {} uploads that are not finished; end some of them first (GET /api/v1/uploads lists them).", most),
                         fmt::format("您有 {} 个未完成的上传，请先完成或取消其中一些（GET /api/v1/uploads 可列出）。", most)})
                      .with("limit", most)
                      .retry_after(60));
    insert_row(tx, upload, fate::kOpen);
    return {};
  });
  co_return inserted;
}

awaitable<Result<Upload>> Uploads::create(std::string user_id, Purpose purpose, std::string name, std::uint64_t length,
                                          std::string concat, std::string metadata) {
  FLUX_CO_TRY(upload, drafted(std::move(user_id), purpose, name, length));
  upload.concat = std::move(concat);
  upload.metadata = std::move(metadata);
  auto created = co_await disk_.run(WhenFull::refuse, "", [path = path_of(upload.id)] { return PartialFile::create(path); });
  FLUX_CO_CHECK(std::move(created));
  auto inserted = co_await insert_open(upload);
  if (!inserted) {
    ::unlink(path_of(upload.id).c_str());
    co_return std::unexpected(std::move(inserted).error());
  }
  co_return upload;
}

namespace {

constexpr std::string_view kColumns =
    "id, user_id, kind, name, length, created_at, expires_at, direct, concat, metadata, place, object_key, stored";

Upload read_upload(const db::Row& row) {
  Upload read;
  read.id = row.str(0);
  read.user_id = row.str(1);
  read.purpose = purpose_named(row.text(2)).value_or(Purpose::media_upload);
  read.name = row.str(3);
  read.length = static_cast<std::uint64_t>(row.i64(4));
  read.created_at = row.i64(5);
  read.expires_at = row.i64(6);
  read.direct = row.flag(7);
  read.concat = row.str(8);
  read.metadata = row.str(9);
  read.place = row.str(10);
  read.object_key = row.str(11);
  return read;
}

}  // namespace

awaitable<std::vector<Upload>> Uploads::open_of(std::string user_id) {
  static const std::string sql =
      fmt::format("SELECT {} FROM fg_upload WHERE user_id = $1 AND stored = $2 AND expires_at > $3 ORDER BY id LIMIT $4", kColumns);
  auto read = co_await database_.read([user_id, now = clock_.now_ms(), most = options_.open_per_user](db::Tx& tx) {
    return tx.all(sql, {user_id, fate::kOpen, now, most}, read_upload);
  });
  const auto open = std::make_shared<std::vector<Upload>>(std::move(read));
  co_await disk_.run(WhenFull::wait, "", [this, open]() -> Result<void> {
    for (Upload& upload : *open)
      if (!upload.direct) upload.offset = PartialFile::length_of(path_of(upload.id)).value_or(0);
    return {};
  });
  co_return std::move(*open);
}

// As the database has it; the offset is the file's business.
awaitable<std::optional<Upload>> Uploads::look_up(std::string id, std::string user_id) {
  static const std::string sql =
      fmt::format("SELECT {} FROM fg_upload WHERE id = $1 AND user_id = $2 AND expires_at > $3 AND stored <> $4", kColumns);
  auto found = co_await database_.read([this, id, user_id, now = clock_.now_ms()](db::Tx& tx) {
    bool stored = false;
    auto upload = tx.first(sql, {id, user_id, now, fate::kGivenUp}, [&stored](const db::Row& row) {
      stored = row.i64(12) == fate::kFile;
      return read_upload(row);
    });
    if (!upload || !stored) return upload;
    upload->offset = upload->length;
    if (auto row = files_.find(tx, id, user_id)) {
      Stored object;
      object.key = row->key;
      object.sha256 = row->sha256;
      object.size = row->size;
      object.mime = row->mime;
      upload->file = KeptFile{std::move(*row), std::move(object)};
      return upload;
    }
    upload.reset();  // the file was deleted since
    return upload;
  });
  co_return found;
}

awaitable<Result<Upload>> Uploads::find(std::string id, std::string user_id) {
  auto upload = co_await look_up(id, user_id);
  if (!upload) co_return not_found();
  if (upload->file || upload->direct) co_return std::move(*upload);
  auto found = co_await look_at_bytes(std::move(*upload));
  if (found || found.error().errc() != Errc::not_found) co_return found;
  // Another call made a file of it between our two looks; then the bytes are gone and the file is there.
  auto again = co_await look_up(id, user_id);
  if (!again || !again->file) co_return found;
  co_return std::move(*again);
}

awaitable<Result<Upload>> Uploads::look_at_bytes(Upload upload) {
  const auto length = PartialFile::length_of(path_of(upload.id));
  if (!length) co_return not_found();
  upload.offset = *length;
  if (upload.offset < upload.length || upload.is_part()) co_return upload;
  auto file = PartialFile::open(path_of(upload.id));
  if (!file && file.error().errc() == Errc::conflict) co_return upload;  // it is becoming a file just now
  if (!file) co_return std::unexpected(std::move(file).error());
  auto settled = co_await settle(std::move(upload));  // `file` keeps its lock meanwhile
  co_return settled;
}

awaitable<Result<void>> Uploads::remove(std::string id, std::string user_id) {
  struct Was {
    bool there = false;
    std::vector<InStore> in_store;
  };
  Was was = co_await database_.write([id, user_id](db::Tx& tx) {
    if (tx.exec("UPDATE fg_upload SET stored = $3 WHERE id = $1 AND user_id = $2 AND direct = 1 AND stored <> $3",
                {id, user_id, fate::kGivenUp}) > 0)
      return Was{true, tx.all("SELECT id, place, object_key FROM fg_upload WHERE id = $1", {id},
                              [](const db::Row& row) { return InStore{row.str(0), row.str(1), row.str(2)}; })};
    return Was{tx.exec("DELETE FROM fg_upload WHERE id = $1 AND user_id = $2 AND direct = 0", {id, user_id}) > 0, {}};
  });
  if (!was.there) co_return not_found();
  co_await clear_incoming(std::move(was.in_store));
  ::unlink(path_of(id).c_str());
  co_return Result<void>();
}

awaitable<void> Uploads::give_up(std::string id) {
  co_await database_.write([id](db::Tx& tx) {
    tx.exec("UPDATE fg_upload SET stored = $2 WHERE id = $1 AND stored = $3 AND direct = 1", {id, fate::kGivenUp, fate::kOpen});
    tx.exec("DELETE FROM fg_upload WHERE id = $1 AND stored = $2 AND direct = 0", {id, fate::kOpen});
  });
  ::unlink(path_of(id).c_str());
}

// ---- the end of their time ----

awaitable<void> Uploads::forget_expired() {
  const Millis now = clock_.now_ms();
  struct Old {
    InStore upload;
    bool direct = false;
  };
  // Those of the store come last: it may be away.
  const auto old = co_await database_.read([now](db::Tx& tx) {
    return tx.all("SELECT id, direct, place, object_key FROM fg_upload WHERE expires_at <= $1 ORDER BY direct, expires_at LIMIT $2", {now, kForgottenAtOnce},
                  [](const db::Row& row) { return Old{{row.str(0), row.str(2), row.str(3)}, row.flag(1)}; });
  });
  std::vector<std::string> gone;
  std::vector<InStore> in_store;
  for (const Old& each : old) {
    if (each.direct) in_store.push_back(each.upload);
    else gone.push_back(each.upload.id);
  }
  co_await disk_.run(WhenFull::wait, "", [this, ids = gone]() -> Result<void> {
    for (const std::string& id : ids) ::unlink(path_of(id).c_str());
    // Bytes without a row: made just before a crash, or whose row was forgotten by a node that saw another folder.
    const auto oldest = fs::file_time_type::clock::now() - std::chrono::milliseconds(options_.lifetime_ms) - std::chrono::hours(1);
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(options_.directory, error)) {
      std::error_code missing;
      if (entry.last_write_time(missing) < oldest && !missing) fs::remove(entry.path(), missing);
    }
    return {};
  });
  for (std::string& id : co_await clear_incoming(std::move(in_store))) gone.push_back(std::move(id));
  if (gone.empty()) co_return;
  co_await database_.write([gone](db::Tx& tx) {
    for (const std::string& id : gone) tx.exec("DELETE FROM fg_upload WHERE id = $1", {id});
  });
}

}  // namespace fluxgate::files

// Uploads that come in pieces (tus), by link, or by way of the store, and what becomes of them: whole ones go the way of every upload
// (sniffed, checked, cleaned, stored) and end as a file of their user, whose id is the upload's own.
//
// State: a row of fg_upload, and the bytes in DATA_DIR/files/uploads/<id>. Both outlive the process; nodes that
// share the folder can go on with each other's uploads. An upload whose bytes are complete and which a crash kept
// from becoming a file becomes one when somebody asks for it next.
//
// The bytes of a direct upload are the object incoming/<id> of the store until it is completed: of the store that was in
// use when it began, whatever is set since. The client's link may be used again while it lives, so the row of a direct upload stays for its day, also when it became a file or was
// given up, and at its end the object is removed once more.
//
// A part (tus concatenation) is an upload whose bytes nobody judges and which never becomes a file itself; several make
// one, with an id of its own, and are gone then.
//
// Thread-safe. Coroutines continue on their own executor. The object outlives them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/coro.h"
#include "db/database.h"
#include "files/depot.h"
#include "files/files.h"
#include "files/partial.h"
#include "files/work_pool.h"
#include "net/http_client.h"

namespace fluxgate::files {

// What became of an upload: fg_upload.stored.
namespace fate {
inline constexpr int kOpen = 0, kFile = 1, kGivenUp = 2;
}

// A file of a user's. Read back later, `stored` knows less: no dimensions and colours.
struct KeptFile {
  FileRow row;
  Stored stored;
};

struct Upload {
  std::string id, user_id, name;  // the name as the client gave it
  Purpose purpose = Purpose::media_upload;
  std::uint64_t length = 0, offset = 0;
  bool direct = false;  // its bytes go to the store; the offset is not known until it is a file
  std::string place, object_key;  // of a direct one: the id of its store, and its key there
  std::string concat;    // Upload-Concat as the client sent it: "partial", "final;…", or ""
  std::string metadata;  // and Upload-Metadata
  bool is_part() const { return concat == "partial"; }
  Millis created_at = 0, expires_at = 0;
  std::optional<KeptFile> file;  // once it has become one
};

struct UploadOptions {
  std::string directory;                      // DATA_DIR/files/uploads; created if missing
  Millis lifetime_ms = 24ll * 3600 * 1000;    // from creation
  int open_per_user = 100;
  std::chrono::milliseconds fetch_timeout{60'000};
  std::chrono::milliseconds fetch_stall{5'000};  // without a byte; bounds a stop too
  // The store of direct uploads, and why there is none.
  std::function<Result<DirectStore>()> direct_store = [] { return Result<DirectStore>(no_direct_store()); };
  // That of one which has begun, by its id: not_found, unavailable.
  std::function<Result<std::shared_ptr<Store>>(const std::string& id)> store_named = {};
};

// An upload whose bytes the client puts into the store itself.
struct DirectUpload {
  Upload upload;
  SignedRequest request;  // to be made exactly so
};

// "image", "video", "audio", "any".
std::optional<Purpose> purpose_named(std::string_view word);
std::string_view name_of(Purpose purpose);

class Uploads {
 public:
  // `client` is used on `client_executor` only.
  Uploads(UploadOptions options, Files& files, db::Database& database, const Clock& clock, net::HttpClient& client,
          boost::asio::any_io_executor client_executor);

  // invalid (empty_file), payload_too_large (file_too_large), too_many_requests (too_many_uploads: of that user
  // and not finished), unavailable.
  awaitable<Result<Upload>> create(std::string user_id, Purpose purpose, std::string name, std::uint64_t length,
                                   std::string concat = {}, std::string metadata = {});
  // A file of the bytes of parts, in their order; `concat` is what the client asked for. not_found; conflict
  // (part_unfinished, context `part`); and as create and Incoming: the parts are given up unless the refusal may pass.
  awaitable<Result<Upload>> concatenate(std::string user_id, Purpose purpose, std::string name, std::vector<std::string> parts,
                                        std::string concat, std::string metadata = {});
  // A user's that are not finished, the oldest first, with their offsets.
  awaitable<std::vector<Upload>> open_of(std::string user_id);
  // With its offset as it is now. not_found (upload_not_found; another's too); for whole uploads that are no file
  // yet also what `Incoming::finish` refuses, after which the upload is gone unless the refusal may pass.
  awaitable<Result<Upload>> find(std::string id, std::string user_id);
  // Gives the upload and its bytes up; a file it has become stays.
  awaitable<Result<void>> remove(std::string id, std::string user_id);

  // Somebody adds to an upload: holds its lock until destroyed.
  class Adding;
  // conflict: upload_locked, offset_mismatch (context: offset); forbidden (upload_final): made of parts.
  awaitable<Result<std::unique_ptr<Adding>>> add(std::string id, std::string user_id, std::uint64_t offset);

  // A picture, video or sound from a public http(s) link (net/guard.h, also on every redirect) as a file of the user.
  // invalid with loc `source` (url_…: the guard; url_unreachable, url_status), and as Incoming.
  awaitable<Result<KeptFile>> import_url(std::string user_id, Purpose purpose, std::string url);
  // A request by which the client itself may put the bytes into the store. As create; payload_too_large
  // (storage_quota), and what UploadOptions::direct_store says.
  awaitable<Result<DirectUpload>> begin_direct(std::string user_id, Purpose purpose, std::string name, std::uint64_t length,
                                               std::string content_type);
  // The client says that it has done so: the bytes are read back, hashed, and go the way of every upload. conflict
  // (upload_incomplete: no object; wrong_length; wrong_sha256: `sha256` in hex, "" = unknown): the wrong object is
  // removed, and another may be put in its place. As Incoming: the upload is given up. unavailable (store_unavailable).
  awaitable<Result<KeptFile>> complete_direct(std::string id, std::string user_id, std::string sha256);
  // Bytes that came inside a request.
  awaitable<Result<KeptFile>> import_bytes(std::string user_id, Purpose purpose, std::string name, std::string bytes);

  // Files that came in one request are kept together or not at all: finished side by side, as many at once as the pools
  // have threads, and …
  static awaitable<std::vector<Result<Stored>>> finish_all(std::vector<std::unique_ptr<Incoming>> all);
  // … entered in one transaction: payload_too_large (storage_quota). What is refused leaves no bytes behind.
  awaitable<Result<void>> insert(std::vector<KeptFile> all);
  awaitable<void> abandon(std::vector<Stored> all);

  // What is being fetched gives up soon. Before the server that waits for it is stopped.
  void stop() { stopping_ = true; }

  // Forgets rows and bytes whose time is over, and bytes without a row. A part of it at a time.
  awaitable<void> forget_expired();

 private:
  friend class Adding;
  std::string path_of(std::string_view id) const;
  awaitable<std::optional<Upload>> look_up(std::string id, std::string user_id);
  awaitable<Result<Upload>> look_at_bytes(Upload upload);  // makes a file of what is whole
  // Bytes that are all there become a file. The file's lock is held.
  awaitable<Result<Upload>> settle(Upload upload);
  // What the store has of a file becomes one of the user's.
  awaitable<Result<KeptFile>> enter(Upload upload, Stored stored);
  Result<Upload> drafted(std::string user_id, Purpose purpose, std::string_view name, std::uint64_t length) const;
  awaitable<Result<void>> insert_open(Upload upload);
  // uploads_direct.cpp
  struct InStore {
    std::string id, place, object_key;
  };
  Result<std::shared_ptr<Store>> store_of(const std::string& place) const;
  awaitable<Result<KeptFile>> take_from(std::shared_ptr<Store> from, Upload upload, std::string sha256);
  awaitable<Result<Stored>> read_back(std::shared_ptr<Store> from, Upload upload, std::string sha256);
  awaitable<std::vector<std::string>> clear_incoming(std::vector<InStore> uploads);
  static std::unexpected<Error> not_found();
  // Whether the same bytes could be taken another time.
  static bool may_pass(const Error& error);

  static void insert_row(db::Tx& tx, const Upload& upload, int fate);
  // uploads_concat.cpp
  awaitable<Result<std::uint64_t>> open_parts(std::shared_ptr<std::vector<PartialFile>> open, std::vector<std::string> ids,
                                              std::string user_id);
  awaitable<Result<KeptFile>> enter_joined(Upload upload, Stored stored, std::vector<std::string> parts);

  awaitable<Result<Stored>> ingest(std::vector<std::string> paths, Purpose purpose);
  FileRow row_of(const std::string& user_id, std::string_view source, std::string_view name, const Stored& stored) const;
  awaitable<Result<KeptFile>> insert_one(FileRow row, Stored stored);
  awaitable<void> give_up(std::string id);
  awaitable<Result<Stored>> fetch(std::string url, Purpose purpose);

  const UploadOptions options_;
  Files& files_;
  db::Database& database_;
  const Clock& clock_;
  net::HttpClient& client_;
  boost::asio::any_io_executor client_executor_;
  std::atomic<bool> stopping_{false};
  WorkPool disk_;
};

class Uploads::Adding {
 public:
  Adding(Uploads& uploads, Upload upload, PartialFile file) : uploads_(uploads), upload_(std::move(upload)), file_(std::move(file)) {}

  // Bytes that may still come.
  std::uint64_t room() const { return upload_.length - file_.length(); }
  // Before the first byte: they are to have this digest. invalid (checksum_algorithm).
  Result<void> expect(std::string_view algorithm, std::string digest);
  // The head of the file is judged as soon as it is there: unsupported_media, payload_too_large; the upload is then
  // given up by finish().
  Result<void> write(std::string_view bytes);
  // What has come is kept, flushed, and becomes a file when it is all there. bad_request (checksum_mismatch).
  // `complete` false: the request broke off; what came under a digest is then dropped.
  awaitable<Result<Upload>> finish(bool complete);

 private:
  Result<void> judge();

  Uploads& uploads_;
  Upload upload_;
  PartialFile file_;
  std::string head_;
  bool judged_ = false;
  std::optional<Error> refused_;
  std::optional<Digest> digest_;
  std::string expected_;
};

}  // namespace fluxgate::files

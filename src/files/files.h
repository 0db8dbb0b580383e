// Generated files and uploads: bytes in a content-addressed store, rows in `generated_files`, signed
// links, previews. Nothing is held in memory whole; decoders run with limits in a small pool.
//
// Store keys are "ab/cd/<sha256>.<ext>" below DATA_DIR/files. The same bytes are stored once.
//
// `Files` is thread-safe; an `Incoming` is used by one coroutine at a time. Both block the caller for the
// write of one piece at most: decoding and fsync happen on threads of their own, and coroutines continue
// on their own executor. Files outlives every coroutine that waits on it and every Incoming it gave out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/coro.h"
#include "base/result.h"
#include "db/database.h"
#include "files/imaging.h"

namespace fluxgate::files {

// The place of objects on the disk of this server.
inline constexpr std::string_view kLocal = "local";

// What is known of a stored object. Dimensions are 0 when the decoder refused (failure is not fatal
// for results; uploads are refused).
struct Stored {
  std::string key;
  std::string sha256;            // hex
  std::uint64_t size = 0;
  std::string mime;              // by content: image/png, image/jpeg, image/webp, …
  int width = 0, height = 0;     // of films: of their picture
  Millis duration_ms = 0;        // of films and sounds; 0 when unknown
  std::string dominant_color;    // "#rrggbb"; of films: of their first picture
  std::string thumbhash;         // base64
  // Where the bytes are: kLocal, or the id of a store (store_table.h) and the key there.
  std::string place = std::string(kLocal);
  std::string cloud_path = {}, etag = {};
};

enum class Purpose {
  result,  // from an upstream: kept byte for byte
  upload,  // from a user: checked and written anew, upright, sRGB, without metadata (EXIF, GPS); the first
           // frame of animations; GIF becomes PNG, AVIF and HEIC become JPEG
  // Also from users, kept byte for byte once a decoder has read their beginning:
  video_upload,  // MP4 and QuickTime
  audio_upload,  // MP3, WAV, M4A and AAC
  media_upload,  // a picture, a video or a sound, each by its own rules
};

// One file on its way in. Destroyed before finish(): the bytes are gone, nothing was published.
class Incoming {
 public:
  virtual ~Incoming() = default;
  // payload_too_large beyond the limit (inclusive); unsupported_media as soon as the first bytes are no
  // accepted type (context `received`: what they are); unavailable (storage_full, storage_failed) when
  // the disk refuses. After an error every call gives that error.
  virtual Result<void> write(std::string_view piece) = 0;
  // Publishes the object (fsync, rename) and inspects it. Once. Besides the errors of write(): invalid
  // (empty_file; of uploads also broken_image, too_many_pixels, too_many_frames, too_much_metadata, picture_too_slow, broken_video,
  // broken_sound, video_too_slow) and, for uploads when
  // too many are under way, too_many_requests (media_busy). Results wait instead. The object may be
  // destroyed while its finish() is awaited.
  virtual awaitable<Result<Stored>> finish() = 0;
};

// A row of generated_files.
struct FileRow {
  std::string id, user_id, filename, key, mime, source_type, source_task_id, sha256;  // key: of files of an adopted database their link
  std::uint64_t size = 0;
  Millis created_at = 0;
  std::string place = std::string(kLocal);  // as Stored
  std::string cloud_path = {};
  std::string url = {};  // where it was said to be when it was not on the disk; all that is known of some imported files
};

// What lies beyond the local disk (depot.h).
class Remote {
 public:
  virtual ~Remote() = default;
  // After an object was published on the local disk, before anything refers to it. No effect where the disk is
  // the store, or a folder all nodes share from which objects are moved later; else the object is put into the
  // store and `stored` says so. Errors: those of Store::put; unavailable (folder_not_shared).
  virtual awaitable<Result<void>> deposit(Stored& stored) = 0;
  // The path of a copy of an object that is not on the local disk; it stays at least an hour.
  // not_found (file_not_found), unavailable and those of Store::get.
  virtual awaitable<Result<std::string>> bring(std::string key) = 0;
};

struct Options {
  std::string directory;                       // DATA_DIR/files
  std::string link_secret;                     // 32 bytes
  std::uint64_t upload_limit = 10 * 1024 * 1024;  // of a picture
  std::uint64_t video_limit = 100 * 1024 * 1024;
  std::uint64_t audio_limit = 5 * 1024 * 1024;
  std::uint64_t result_limit = 512ull * 1024 * 1024;
  std::vector<std::string> own_origins = {};   // absolute links on these are ours: "https://media.example"
  std::int64_t max_pixels = 100'000'000;
  int max_frames = 1'000;  // of an animation
  Millis link_lifetime_ms = 7ll * 24 * 3600 * 1000;
  int media_threads = 1;  // that decode
  int media_queue = 256;  // uploads and previews beyond it are turned away
};

class Files {
 public:
  virtual ~Files() = default;

  virtual std::unique_ptr<Incoming> begin(Purpose purpose) = 0;
  // The most bytes a file for that purpose may have.
  virtual std::uint64_t limit_of(Purpose purpose) const = 0;

  // "/files/{id}/{name}?e=…&s=…": a GET without a token works until it expires; the expiry is rounded so
  // that the same link is given for a while and caches hold.
  virtual std::string link(std::string_view file_id, std::string_view name, Millis now) const = 0;
  // Whether path and query are a link of ours that still holds; the file's id.
  virtual Result<std::string> check_link(std::string_view file_id, std::string_view expiry,
                                         std::string_view signature, Millis now) const = 0;
  // The file id in a link or path of ours (absolute on Options::own_origins, or not), "" when it is none.
  virtual std::string file_id_of(std::string_view link) const = 0;

  // Inside a transaction: inserts the row (id made by the caller) / finds a row. `owner` "" = any.
  virtual void insert(db::Tx& tx, const FileRow& row, const Stored& stored) const = 0;
  virtual std::optional<FileRow> find(db::Tx& tx, std::string_view id, std::string_view owner) const = 0;

  // Absolute path of a stored object, for sending it; "" for what is no key.
  virtual std::string path_of(std::string_view key) const = 0;
  // Path of a preview whose longer side is at most `side` (320, 640, 1280), made on first use, once; of films
  // it shows their first picture. not_found; unsupported_media (no_preview: sounds); invalid (thumbnail_side,
  // broken_image, broken_video, …); too_many_requests (media_busy).
  virtual awaitable<Result<std::string>> thumbnail_path(std::string_view key, int side,
                                                        PreviewFormat format = PreviewFormat::webp) = 0;
  // The whole object as a data URI, for upstreams that must be given the bytes (bounded).
  virtual awaitable<Result<std::string>> data_uri(std::string_view key, std::uint64_t limit) = 0;

  // Of an object, wherever it is: the path of a file with its bytes, which stays at least an hour.
  virtual awaitable<Result<std::string>> local_copy(std::string_view key) = 0;

  // Removes what a crash left half-written. At start.
  virtual void sweep() = 0;
  // Before use, when there is anything beyond the local disk. `remote` outlives the coroutines that wait here.
  virtual void attach(Remote& remote) = 0;
};

std::unique_ptr<Files> make_files(Options options, const Clock& clock);

}  // namespace fluxgate::files

// Files on the local disk: the pieces of this folder put together.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "files/blob_store.h"
#include "files/film.h"
#include "files/files.h"
#include "files/imaging.h"
#include "files/links.h"
#include "files/rows.h"
#include "files/sniff.h"
#include "files/work_pool.h"
#include "net/guard.h"

namespace fluxgate::files {
namespace {

// They sleep in fsync; many that wait together share one commit of the file system's journal.
constexpr int kDiskThreads = 8;
constexpr std::uint64_t kHashBehind = 1u << 20;

// What each purpose takes, and the words of its refusal.
struct Taken {
  Purpose purpose;
  std::string_view code;
  bool (*accepts)(Format);
  Text words;
};
const Taken& taken_for(Purpose purpose) {
  static const Taken kTaken[] = {
      {Purpose::result, "unsupported_image", [](Format f) { return is_picture(f) || is_film(f); },
       {"Only pictures and videos are taken", "只接受图片和视频"}},
      {Purpose::upload, "unsupported_image", is_picture,
       {"Only PNG, JPEG, WebP, GIF, AVIF and HEIC pictures are taken", "只接受 PNG、JPEG、WebP、GIF、AVIF 和 HEIC 图片"}},
      {Purpose::video_upload, "unsupported_video", [](Format f) { return is_film(f) && f != Format::webm; },
       {"Only MP4 and QuickTime videos are taken", "只接受 MP4 和 MOV 视频"}},
      {Purpose::audio_upload, "unsupported_audio", is_sound,
       {"Only MP3, WAV, M4A and AAC sounds are taken", "只接受 MP3、WAV、M4A 和 AAC 音频"}},
      {Purpose::media_upload, "unsupported_media",
       [](Format f) { return is_picture(f) || (is_film(f) && f != Format::webm) || is_sound(f); },
       {"Only pictures (PNG, JPEG, WebP, GIF, AVIF, HEIC), videos (MP4, QuickTime) and sounds (MP3, WAV, M4A, AAC) are "
        "taken",
        "只接受图片（PNG、JPEG、WebP、GIF、AVIF、HEIC）、视频（MP4、MOV）和音频（MP3、WAV、M4A、AAC）"}},
  };
  return *std::ranges::find(kTaken, purpose, &Taken::purpose);
}

Result<void> check_format(Format format, Purpose purpose) {
  const Taken& taken = taken_for(purpose);
  if (taken.accepts(format)) return {};
  const Text& name = name_of(format);
  if (format == Format::empty) return fail(Errc::invalid, "empty_file", {"The file is empty.", "文件为空。"});
  Text message{fmt::format("{}; this is {}.", taken.words.en, name.en),
               fmt::format("{}，收到的是{}。", taken.words.zh, name.zh)};
  return fail(Error(Errc::unsupported_media, std::string(taken.code), std::move(message))
                  .with("received", boost::json::string(mime_of(format))));
}

Format format_of(std::string_view key) {
  using enum Format;
  const std::string_view extension = key.substr(key.rfind('.') + 1);
  for (const auto format : {png, jpeg, webp, gif, avif, heic, mp4, quicktime, webm, mp3, wav, m4a, aac})
    if (extension_of(format) == extension) return format;
  return unknown;
}

// The most bytes a file of that format may have.
std::uint64_t limit_for(const Options& options, Format format, Purpose purpose) {
  if (purpose == Purpose::result) return options.result_limit;
  return is_film(format) ? options.video_limit : is_sound(format) ? options.audio_limit : options.upload_limit;
}

// What an incoming file needs on its way into the store. All of it outlives the coroutines that use it.
struct Workshop {
  const BlobStore& store;
  DecodeLimits limits;
  WorkPool& media;
  WorkPool& disk;
  Remote* remote;
};

// A file on its way: handed from pool to pool, used by one thread at a time.
struct Piece {
  std::shared_ptr<Staged> staged;
  Format format = Format::unknown;
  std::optional<FilmFacts> film;  // of an upload, which was looked at before it was published
  Stored stored;
};

// Uploads are refused unless a decoder can read them; pictures are written anew.
Result<void> clean(const Workshop& shop, Piece& piece) {
  const std::string& path = piece.staged->path();
  if (is_film(piece.format)) {
    FLUX_TRY(facts, inspect_film(path, piece.format));
    piece.film = std::move(facts);
    return {};
  }
  if (is_sound(piece.format)) {
    FLUX_TRY(duration, inspect_sound(path, piece.format));
    piece.stored.duration_ms = duration;
    return {};
  }
  auto cleaned = shop.store.stage();
  FLUX_TRY(kept, clean_image(piece.staged->path(), piece.format, cleaned->path(), shop.limits));
  FLUX_CHECK(cleaned->adopt_content());
  piece.staged = std::move(cleaned);
  piece.format = kept;
  return {};
}

Result<void> publish(const Workshop& shop, Piece& piece) {
  FLUX_TRY(key, shop.store.publish(*piece.staged, extension_of(piece.format)));
  piece.stored.key = key;
  piece.stored.sha256 = sha256_of(key);
  piece.stored.size = piece.staged->size();
  piece.stored.mime = mime_of(piece.format);
  piece.staged.reset();
  return {};
}

// A film's first picture, kept beside the thumbnails that are made from it.
Result<void> draw_poster(const BlobStore& store, const RgbPicture& picture, const std::string& path) {
  const auto staged = store.stage();
  FLUX_CHECK(write_poster(picture, staged->path()));
  return store.place(*staged, path);
}

Result<ImageFacts> describe_film(const Workshop& shop, Piece& piece) {
  Stored& stored = piece.stored;
  if (!piece.film) {
    FLUX_TRY(looked, inspect_film(shop.store.path_of(stored.key), piece.format));
    piece.film = std::move(looked);
  }
  stored.duration_ms = piece.film->duration_ms;
  const std::string poster = shop.store.poster_path(stored.sha256);
  FLUX_CHECK(draw_poster(shop.store, piece.film->poster, poster));
  FLUX_TRY(facts, inspect_image(poster, Format::webp, shop.limits));
  facts.width = piece.film->width;
  facts.height = piece.film->height;
  return facts;
}

// Failure is not fatal: the bytes are what was paid for.
Result<void> describe(const Workshop& shop, Piece& piece) {
  Stored& stored = piece.stored;
  const auto facts = is_film(piece.format)
                         ? describe_film(shop, piece)
                         : inspect_image(shop.store.path_of(stored.key), piece.format, shop.limits);
  if (!facts) {
    log::warn("files: {} cannot be decoded: {} {}", stored.key, facts.error().code(),
              facts.error().internal());
    return {};
  }
  stored.width = facts->width;
  stored.height = facts->height;
  stored.dominant_color = facts->dominant_color;
  stored.thumbhash = facts->thumbhash;
  return {};
}

// Cleaning is where people are turned away when too much is going on; what is behind it is finished.
awaitable<Result<Stored>> keep(Workshop shop, Purpose purpose, std::shared_ptr<Piece> piece) {
  if (purpose != Purpose::result) {
    auto cleaned =
        co_await shop.media.run(WhenFull::refuse, "", [shop, piece] { return clean(shop, *piece); });
    if (!cleaned) co_return std::unexpected(std::move(cleaned).error());
  }
  auto published =
      co_await shop.disk.run(WhenFull::wait, "", [shop, piece] { return publish(shop, *piece); });
  if (!published) co_return std::unexpected(std::move(published).error());
  if (!is_sound(piece->format))
    co_await shop.media.run(WhenFull::wait, "", [shop, piece] { return describe(shop, *piece); });
  if (shop.remote != nullptr) {
    auto deposited = co_await shop.remote->deposit(piece->stored);
    if (!deposited) co_return std::unexpected(std::move(deposited).error());
  }
  co_return std::move(piece->stored);
}

class LocalIncoming final : public Incoming {
 public:
  LocalIncoming(Workshop shop, Purpose purpose, const Options& options)
      : shop_(shop), purpose_(purpose), options_(options), staged_(shop.store.stage()) {}

  Result<void> write(std::string_view piece) override {
    if (failed_) return std::unexpected(*failed_);
    auto written = take(piece);
    if (!written) failed_ = written.error();
    return written;
  }

  awaitable<Result<Stored>> finish() override {
    if (!failed_ && !judged_) {
      if (auto judged = judge(); !judged) failed_ = judged.error();
    }
    auto piece = std::make_shared<Piece>();
    piece->staged = std::move(staged_);
    piece->format = format_;
    if (failed_) return refused(*failed_);
    piece->staged->seal();
    failed_ = Error(Errc::internal, "finished_twice", {"Our mistake.", "服务器内部错误。"});
    return keep(shop_, purpose_, std::move(piece));
  }

 private:
  static awaitable<Result<Stored>> refused(Error error) { co_return std::unexpected(std::move(error)); }

  Result<void> take(std::string_view piece) {
    if (!judged_) {
      head_.append(piece.substr(0, kSniffBytes - head_.size()));
      if (head_.size() == kSniffBytes) FLUX_CHECK(judge());
    }
    FLUX_CHECK(check_size(staged_->size() + piece.size()));
    FLUX_CHECK(staged_->append(piece));
    hash_behind();
    return {};
  }

  // Large files are hashed while they come, one piece of work at a time, so that little is left at the end.
  void hash_behind() {
    if (staged_->unhashed() < kHashBehind || hashing_->exchange(true)) return;
    shop_.disk.start([staged = staged_, hashing = hashing_]() -> Result<void> {
      auto hashed = staged->hash_some();
      *hashing = false;
      return hashed;
    });
  }

  // Until one knows what it is, any file is shorter than the head by which one knows.
  Result<void> check_size(std::uint64_t size) const {
    const std::uint64_t limit = limit_for(options_, format_, purpose_);
    if (!judged_ || size <= limit) return {};
    return fail(Error(Errc::payload_too_large, "file_too_large",
                      {fmt::format("The file is larger than {} bytes.", limit),
                       fmt::format("文件超过 {} 字节。", limit)})
                    .with("limit", limit));
  }

  Result<void> judge() {
    judged_ = true;
    format_ = sniff(head_);
    FLUX_CHECK(check_format(format_, purpose_));
    return check_size(staged_->size());
  }

  const Workshop shop_;
  const Purpose purpose_;
  const Options& options_;
  std::shared_ptr<Staged> staged_;
  const std::shared_ptr<std::atomic<bool>> hashing_ = std::make_shared<std::atomic<bool>>(false);
  std::string head_;
  bool judged_ = false;
  Format format_ = Format::unknown;
  std::optional<Error> failed_;
};

class LocalFiles final : public Files {
 public:
  explicit LocalFiles(Options options)
      : options_(std::move(options)),
        store_(options_.directory),
        signer_(options_.link_secret, options_.link_lifetime_ms),
        media_(options_.media_threads, options_.media_queue),
        disk_(kDiskThreads, options_.media_queue) {
    initialise();
  }

  std::unique_ptr<Incoming> begin(Purpose purpose) override {
    return std::make_unique<LocalIncoming>(Workshop{store_, limits(), media_, disk_, remote_}, purpose, options_);
  }
  std::uint64_t limit_of(Purpose purpose) const override {
    switch (purpose) {
      case Purpose::result: return options_.result_limit;
      case Purpose::upload: return options_.upload_limit;
      case Purpose::video_upload: return options_.video_limit;
      case Purpose::audio_upload: return options_.audio_limit;
      case Purpose::media_upload: break;
    }
    return std::max({options_.upload_limit, options_.video_limit, options_.audio_limit});
  }

  std::string link(std::string_view file_id, std::string_view name, Millis now) const override {
    return signer_.link(file_id, name, now);
  }
  Result<std::string> check_link(std::string_view file_id, std::string_view expiry,
                                 std::string_view signature, Millis now) const override {
    return signer_.check(file_id, expiry, signature, now);
  }
  std::string file_id_of(std::string_view link) const override;

  void insert(db::Tx& tx, const FileRow& row, const Stored& stored) const override {
    insert_row(tx, row, stored);
  }
  std::optional<FileRow> find(db::Tx& tx, std::string_view id, std::string_view owner) const override {
    return find_row(tx, id, owner);
  }

  std::string path_of(std::string_view key) const override { return store_.path_of(key); }
  awaitable<Result<std::string>> thumbnail_path(std::string_view key, int side, PreviewFormat format) override;
  awaitable<Result<std::string>> data_uri(std::string_view key, std::uint64_t limit) override;
  awaitable<Result<std::string>> local_copy(std::string_view key) override { return copy(std::string(key)); }
  void sweep() override { store_.sweep(); }
  void attach(Remote& remote) override { remote_ = &remote; }

 private:
  DecodeLimits limits() const { return {.max_pixels = options_.max_pixels, .max_frames = options_.max_frames}; }
  // Values, not views: they outlive the caller's arguments.
  awaitable<Result<std::string>> thumbnail(std::string key, int side, PreviewFormat format);
  awaitable<Result<std::string>> inlined(std::string key, std::uint64_t limit);
  awaitable<Result<std::string>> copy(std::string key);
  Result<void> draw_thumbnail(const std::string& key, std::string original, int side, PreviewFormat format,
                              const std::string& path) const;
  Result<std::string> poster_of(const std::string& key, const std::string& original) const;

  const Options options_;
  const BlobStore store_;
  const LinkSigner signer_;
  Remote* remote_ = nullptr;
  WorkPool media_, disk_;  // last: their work uses the others
};

std::unexpected<Error> no_such_object() {
  return fail(Errc::not_found, "file_not_found", {"The file does not exist.", "文件不存在。"});
}

std::string LocalFiles::file_id_of(std::string_view link) const {
  if (link.starts_with('/')) return file_id_in_path(link);
  const std::string origin = net::origin_of(link);
  const bool ours = !origin.empty() && std::ranges::any_of(options_.own_origins, [&](const auto& own) {
    return net::origin_of(own) == origin;
  });
  if (!ours) return "";
  const std::size_t path = link.find('/', link.find("://") + 3);
  return path == std::string_view::npos ? std::string() : file_id_in_path(link.substr(path));
}

awaitable<Result<std::string>> LocalFiles::thumbnail_path(std::string_view key, int side, PreviewFormat format) {
  return thumbnail(std::string(key), side, format);
}

awaitable<Result<std::string>> LocalFiles::thumbnail(std::string key, int side, PreviewFormat format) {
  if (side != 320 && side != 640 && side != 1280)
    co_return fail(Error(Errc::invalid, "thumbnail_side",
                         {"Previews have a longer side of 320, 640 or 1280 pixels.",
                          "预览图的长边为 320、640 或 1280 像素。"})
                       .with("received", side));
  // Imported objects have keys of other forms.
  const std::string name = is_key(key) ? std::string(sha256_of(key)) : crypto::sha256_hex(key);
  std::string path = store_.thumbnail_path(name, side, format == PreviewFormat::avif ? "avif" : "webp");
  if (has_bytes(path)) co_return path;
  auto original = co_await copy(key);
  if (!original) co_return std::unexpected(std::move(original).error());
  auto work = [this, key, from = *original, side, format, path] { return draw_thumbnail(key, from, side, format, path); };
  auto drawn = co_await media_.run(WhenFull::refuse, path, std::move(work));
  if (!drawn) co_return std::unexpected(std::move(drawn).error());
  co_return path;
}

// The object's own file, else a copy from its store.
awaitable<Result<std::string>> LocalFiles::copy(std::string key) {
  const std::string own = store_.path_of(key);
  if (!own.empty() && ::access(own.c_str(), R_OK) == 0) co_return own;
  if (remote_ == nullptr) co_return no_such_object();
  auto brought = co_await remote_->bring(std::move(key));
  co_return brought;
}

Result<void> LocalFiles::draw_thumbnail(const std::string& key, std::string original, int side, PreviewFormat as,
                                        const std::string& path) const {
  Format format = format_of(key);
  if (has_bytes(path)) return {};  // made between the caller's look and its turn
  if (::access(original.c_str(), R_OK) != 0) return no_such_object();
  if (is_film(format)) {
    FLUX_TRY(poster, poster_of(key, original));
    original = std::move(poster);
    format = Format::webp;
  }
  if (!is_picture(format))
    return fail(Errc::unsupported_media, "no_preview",
                {"There are no previews of this kind of file.", "此类文件没有预览图。"});
  const auto staged = store_.stage();
  FLUX_CHECK(make_thumbnail(original, format, staged->path(), side, as, limits()));
  return store_.place(*staged, path);
}

// Made when the film was stored; again when somebody has emptied the folder of previews.
Result<std::string> LocalFiles::poster_of(const std::string& key, const std::string& original) const {
  std::string path = store_.poster_path(is_key(key) ? std::string(sha256_of(key)) : crypto::sha256_hex(key));
  if (has_bytes(path)) return path;
  FLUX_TRY(facts, inspect_film(original, format_of(key)));
  FLUX_CHECK(draw_poster(store_, facts.poster, path));
  return path;
}

awaitable<Result<std::string>> LocalFiles::data_uri(std::string_view key, std::uint64_t limit) {
  return inlined(std::string(key), limit);
}

awaitable<Result<std::string>> LocalFiles::inlined(std::string key, std::uint64_t limit) {
  auto copied = co_await copy(key);
  FLUX_CO_TRY(path, std::move(copied));
  auto uri = std::make_shared<std::string>();
  auto work = [path, limit, uri, mime = mime_of(format_of(key))]() -> Result<void> {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    if (error) return no_such_object();
    if (size > limit)
      return fail(Error(Errc::payload_too_large, "file_too_large",
                        {fmt::format("The file has {} bytes; at most {} can be sent along.", size, limit),
                         fmt::format("文件有 {} 字节，最多可随请求发送 {} 字节。", size, limit)})
                      .with("limit", limit));
    std::string bytes(size, '\0');
    std::ifstream file(path, std::ios::binary);
    if (!file.read(bytes.data(), static_cast<std::streamsize>(size))) return no_such_object();
    *uri = fmt::format("data:{};base64,{}", mime, crypto::base64(bytes));
    return {};
  };
  auto done = co_await disk_.run(WhenFull::wait, "", std::move(work));
  if (!done) co_return std::unexpected(std::move(done).error());
  co_return std::move(*uri);
}

}  // namespace

std::unique_ptr<Files> make_files(Options options, const Clock&) {
  return std::make_unique<LocalFiles>(std::move(options));
}

}  // namespace fluxgate::files

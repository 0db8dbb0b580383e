// Files on the local disk: the pieces of this folder put together.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/log.h"
#include "files/blob_store.h"
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

Result<void> check_format(Format format, Purpose purpose) {
  if (is_picture(format) || (purpose == Purpose::result && is_film(format))) return {};
  const Text& name = name_of(format);
  if (format == Format::empty) return fail(Errc::invalid, "empty_file", {"The file is empty.", "文件为空。"});
  Text message{
      fmt::format("Only PNG, JPEG, WebP, GIF, AVIF and HEIC pictures are taken; this is {}.", name.en),
      fmt::format("只接受 PNG、JPEG、WebP、GIF、AVIF 和 HEIC 图片，收到的是{}。", name.zh)};
  return fail(Error(Errc::unsupported_media, "unsupported_image", std::move(message))
                  .with("received", boost::json::string(mime_of(format))));
}

Format format_of(std::string_view key) {
  const std::string_view extension = key.substr(key.rfind('.') + 1);
  for (const auto format : {Format::png, Format::jpeg, Format::webp, Format::gif, Format::avif, Format::heic,
                            Format::mp4, Format::webm})
    if (extension_of(format) == extension) return format;
  return Format::unknown;
}

// What an incoming file needs on its way into the store. All of it outlives the coroutines that use it.
struct Workshop {
  const BlobStore& store;
  DecodeLimits limits;
  WorkPool& media;
  WorkPool& disk;
};

// A file on its way: handed from pool to pool, used by one thread at a time.
struct Piece {
  std::unique_ptr<Staged> staged;
  Format format = Format::unknown;
  Stored stored;
};

Result<void> clean(const Workshop& shop, Piece& piece) {
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
  piece.stored.sha256 = piece.staged->sha256();
  piece.stored.size = piece.staged->size();
  piece.stored.mime = mime_of(piece.format);
  piece.staged.reset();
  return {};
}

// Failure is not fatal: the bytes are what was paid for.
Result<void> describe(const Workshop& shop, Piece& piece) {
  Stored& stored = piece.stored;
  const auto facts = inspect_image(shop.store.path_of(stored.key), piece.format, shop.limits);
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
  if (purpose == Purpose::upload) {
    auto cleaned =
        co_await shop.media.run(WhenFull::refuse, "", [shop, piece] { return clean(shop, *piece); });
    if (!cleaned) co_return std::unexpected(std::move(cleaned).error());
  }
  auto published =
      co_await shop.disk.run(WhenFull::wait, "", [shop, piece] { return publish(shop, *piece); });
  if (!published) co_return std::unexpected(std::move(published).error());
  if (is_picture(piece->format))
    co_await shop.media.run(WhenFull::wait, "", [shop, piece] { return describe(shop, *piece); });
  co_return std::move(piece->stored);
}

class LocalIncoming final : public Incoming {
 public:
  LocalIncoming(Workshop shop, Purpose purpose, std::uint64_t limit)
      : shop_(shop), purpose_(purpose), limit_(limit), staged_(shop.store.stage()) {}

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
    if (piece.size() > limit_ - staged_->size())
      return fail(Error(Errc::payload_too_large, "file_too_large",
                        {fmt::format("The file is larger than {} bytes.", limit_),
                         fmt::format("文件超过 {} 字节。", limit_)})
                      .with("limit", limit_));
    if (!judged_) {
      head_.append(piece.substr(0, kSniffBytes - head_.size()));
      if (head_.size() == kSniffBytes) FLUX_CHECK(judge());
    }
    return staged_->append(piece);
  }

  Result<void> judge() {
    judged_ = true;
    format_ = sniff(head_);
    return check_format(format_, purpose_);
  }

  const Workshop shop_;
  const Purpose purpose_;
  const std::uint64_t limit_;
  std::unique_ptr<Staged> staged_;
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
    const auto limit = purpose == Purpose::upload ? options_.upload_limit : options_.result_limit;
    return std::make_unique<LocalIncoming>(Workshop{store_, limits(), media_, disk_}, purpose, limit);
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
  awaitable<Result<std::string>> thumbnail_path(std::string_view key, int side) override;
  awaitable<Result<std::string>> data_uri(std::string_view key, std::uint64_t limit) override;
  void sweep() override { store_.sweep(); }

 private:
  DecodeLimits limits() const { return {.max_pixels = options_.max_pixels}; }
  // Values, not views: they outlive the caller's arguments.
  awaitable<Result<std::string>> thumbnail(std::string key, int side);
  awaitable<Result<std::string>> inlined(std::string key, std::uint64_t limit);
  Result<void> draw_thumbnail(const std::string& key, int side, const std::string& path) const;

  const Options options_;
  const BlobStore store_;
  const LinkSigner signer_;
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

awaitable<Result<std::string>> LocalFiles::thumbnail_path(std::string_view key, int side) {
  return thumbnail(std::string(key), side);
}

awaitable<Result<std::string>> LocalFiles::thumbnail(std::string key, int side) {
  if (side != 320 && side != 640 && side != 1280)
    co_return fail(Error(Errc::invalid, "thumbnail_side",
                         {"Previews have a longer side of 320, 640 or 1280 pixels.",
                          "预览图的长边为 320、640 或 1280 像素。"})
                       .with("received", side));
  if (store_.path_of(key).empty()) co_return no_such_object();
  std::string path = store_.thumbnail_path(sha256_of(key), side);
  if (::access(path.c_str(), R_OK) == 0) co_return path;
  auto work = [this, key, side, path] { return draw_thumbnail(key, side, path); };
  auto drawn = co_await media_.run(WhenFull::refuse, path, std::move(work));
  if (!drawn) co_return std::unexpected(std::move(drawn).error());
  co_return path;
}

Result<void> LocalFiles::draw_thumbnail(const std::string& key, int side, const std::string& path) const {
  const std::string original = store_.path_of(key);
  if (::access(path.c_str(), R_OK) == 0) return {};  // made between the caller's look and its turn
  if (::access(original.c_str(), R_OK) != 0) return no_such_object();
  if (!is_picture(format_of(key)))
    return fail(Errc::unsupported_media, "no_preview",
                {"There are no previews of this kind of file.", "此类文件没有预览图。"});
  const auto staged = store_.stage();
  FLUX_CHECK(make_thumbnail(original, format_of(key), staged->path(), side, limits()));
  FLUX_CHECK(staged->adopt_content());
  return store_.place(*staged, path);
}

awaitable<Result<std::string>> LocalFiles::data_uri(std::string_view key, std::uint64_t limit) {
  return inlined(std::string(key), limit);
}

awaitable<Result<std::string>> LocalFiles::inlined(std::string key, std::uint64_t limit) {
  const std::string path = store_.path_of(key);
  if (path.empty()) co_return no_such_object();
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

// Files on the local disk: the pieces of this folder put together.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "files/blob_store.h"
#include "files/files.h"
#include "files/intake.h"
#include "files/links.h"
#include "files/previews.h"
#include "files/purposes.h"
#include "files/rows.h"
#include "files/work_pool.h"
#include "net/guard.h"

namespace fluxgate::files {
namespace {

// They sleep in fsync; many that wait together share one commit of the file system's journal.
constexpr int kDiskThreads = 8;

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
    return make_incoming(Workshop{store_, limits(), media_, disk_, remote_}, purpose, options_);
  }
  std::uint64_t limit_of(Purpose purpose) const override { return files::limit_of(options_, purpose); }

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

  const Options options_;
  const BlobStore store_;
  const LinkSigner signer_;
  Remote* remote_ = nullptr;
  WorkPool media_, disk_;  // last: their work uses the others
};

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
  std::string path = path_of_preview(store_, key, side, format);
  if (has_bytes(path)) co_return path;
  auto original = co_await copy(key);
  FLUX_CO_TRY(from, std::move(original));
  auto work = [this, order = PreviewOrder{key, from, side, format}] { return draw_preview(store_, order, limits()); };
  auto drawn = co_await media_.run(WhenFull::refuse, path, std::move(work));
  FLUX_CO_CHECK(std::move(drawn));
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
  FLUX_CO_CHECK(std::move(done));
  co_return std::move(*uri);
}

}  // namespace

std::unique_ptr<Files> make_files(Options options, const Clock&) {
  return std::make_unique<LocalFiles>(std::move(options));
}

}  // namespace fluxgate::files

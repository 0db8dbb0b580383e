#include "files/stores/local_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/crypto.h"
#include "files/stores/connection_test.h"
#include "files/stores/disk.h"
#include "files/stores/failures.h"
#include "files/stores/key.h"
#include "files/work_pool.h"

namespace fluxgate::files {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCopyBytes = 256 * 1024;
constexpr std::string_view kReserved[] = {"tmp/", "thumbs/"};

ObjectFacts facts_from(const struct stat& file) {
  ObjectFacts facts;
  facts.size = static_cast<std::uint64_t>(file.st_size);
  facts.modified_at = file.st_mtim.tv_sec * 1000ll + file.st_mtim.tv_nsec / 1'000'000;
  facts.etag = fmt::format("{:x}-{:x}-{:x}", file.st_size, file.st_mtim.tv_sec, file.st_mtim.tv_nsec);
  return facts;
}

bool is_reserved(std::string_view key) {
  return std::ranges::any_of(kReserved, [&](std::string_view folder) { return key.starts_with(folder); });
}

// What the disk's threads do. Shared with them, so that the store may go first.
class Disk {
 public:
  explicit Disk(std::string directory) : directory_(std::move(directory)) {}

  std::string path_of(std::string_view key) const { return directory_ + "/" + std::string(key); }

  Result<ObjectFacts> put(const Put& object) const {
    const std::string path = path_of(object.key), from = object.source->path();
    FLUX_CHECK(make_folders(object.key));
    if (object.may_move && !from.empty()) {
      FLUX_CHECK(flush(from));
      if (::rename(from.c_str(), path.c_str()) == 0) return finished(path, object);
      if (errno != EXDEV) return disk_error("rename", path);
    }
    const std::string draft = directory_ + "/tmp/" + crypto::random_hex(16);
    auto copied = copy(*object.source, draft);
    if (copied && ::rename(draft.c_str(), path.c_str()) != 0) copied = disk_error("rename", path);
    if (copied) return finished(path, object);
    ::unlink(draft.c_str());
    return std::unexpected(std::move(copied).error());
  }

  Result<ObjectFacts> get(const std::string& key, std::optional<Range> range, const Sink& sink) const {
    FLUX_TRY(facts, head(key));
    auto source = open_file_source(path_of(key));
    if (!source) return fail(failure("object_missing", key));
    const std::uint64_t size = (*source)->size();
    std::uint64_t at = range ? range->first : 0;
    const std::uint64_t end = range && range->last ? std::min(*range->last + 1, size) : size;
    if (range && at >= end) return fail(failure("range_not_satisfiable", key));
    std::string buffer(kCopyBytes, '\0');
    while (at < end) {
      const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - at));
      FLUX_TRY(got, (*source)->read(at, {buffer.data(), wanted}));
      if (!sink({buffer.data(), got})) return fail(failure("store_stopped", "by the receiver"));
      at += got;
    }
    return facts;
  }

  Result<ObjectFacts> head(const std::string& key) const {
    struct stat file{};
    if (::stat(path_of(key).c_str(), &file) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return fail(failure("object_missing", key));
      return disk_error("stat", path_of(key));
    }
    if (!S_ISREG(file.st_mode)) return fail(failure("object_missing", key));
    return facts_from(file);
  }

  Result<void> remove(const std::string& key) const {
    const auto there = head(key);
    if (!there && there.error().code() == "object_missing") return {};
    if (!there) return std::unexpected(there.error());
    if (::unlink(path_of(key).c_str()) != 0 && errno != ENOENT) return disk_error("delete", path_of(key));
    return {};
  }

  Listing list(const std::string& prefix, const std::string& after, std::size_t limit) const {
    Listing listing;
    if (!walk("", prefix, after, limit, listing)) listing.next = listing.objects.back().key;
    return listing;
  }

  int sweep(Millis before) const {
    int swept = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory_ + "/tmp", error)) {
      struct stat file{};
      if (::stat(entry.path().c_str(), &file) != 0 || file.st_mtim.tv_sec * 1000ll >= before) continue;
      swept += ::unlink(entry.path().c_str()) == 0 ? 1 : 0;
    }
    return swept;
  }

 private:
  Result<void> make_folders(std::string_view key) const {
    std::string parent = directory_;
    for (auto slash = key.find('/'); slash != key.npos; slash = key.find('/', slash + 1)) {
      const std::string folder = path_of(key.substr(0, slash));
      if (!make_folder(parent, folder)) return disk_error("make folder", folder);
      parent = folder;
    }
    return {};
  }

  static Result<void> flush(const std::string& path) {
    const Descriptor file(path, O_RDONLY);
    if (!file || ::fdatasync(file.get()) != 0) return disk_error("flush", path);
    return {};
  }

  static Result<void> copy(const Source& source, const std::string& path) {
    const Descriptor file(path, O_WRONLY | O_CREAT | O_EXCL);
    if (!file) return disk_error("create", path);
    std::string buffer(kCopyBytes, '\0');
    for (std::uint64_t at = 0; at < source.size();) {
      FLUX_TRY(got, source.read(at, buffer));
      if (got == 0) return fail(failure("storage_failed", "a source ended early"));
      at += got;
      for (std::string_view left(buffer.data(), got); !left.empty();) {
        const ssize_t written = ::write(file.get(), left.data(), left.size());
        if (written < 0 && errno != EINTR) return disk_error("write", path);
        if (written > 0) left.remove_prefix(static_cast<std::size_t>(written));
      }
    }
    if (::fdatasync(file.get()) != 0) return disk_error("flush", path);
    return {};
  }

  Result<ObjectFacts> finished(const std::string& path, const Put& object) const {
    const std::string folder = path.substr(0, path.rfind('/'));
    if (!flush_folder(folder)) return disk_error("flush folder", folder);
    FLUX_TRY(facts, head(object.key));
    facts.content_type = object.content_type;
    if (object.progress) object.progress(facts.size);
    return facts;
  }

  // Adds the objects below `folder` ("" or "a/b/") in order; false when the page is full and there are more.
  // Folders sort with their slash, so that the order is that of whole keys.
  bool walk(const std::string& folder, const std::string& prefix, const std::string& after, std::size_t limit,
            Listing& listing) const {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(path_of(folder), error)) {
      std::error_code gone;
      const auto type = entry.symlink_status(gone).type();
      if (type == fs::file_type::directory) names.push_back(entry.path().filename().string() + "/");
      if (type == fs::file_type::regular) names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    for (const std::string& name : names) {
      const std::string key = folder + name;
      const bool is_folder = name.ends_with('/');
      if (is_reserved(key)) continue;
      if (is_folder) {
        const bool may_match = key.starts_with(prefix) || prefix.starts_with(key);
        const bool is_past = key < after && !after.starts_with(key);
        if (may_match && !is_past && !walk(key, prefix, after, limit, listing)) return false;
        continue;
      }
      if (!key.starts_with(prefix) || (!after.empty() && key <= after)) continue;
      if (listing.objects.size() == limit) return false;
      if (const auto facts = head(key)) listing.objects.push_back({key, facts->size, facts->modified_at});
    }
    return true;
  }

  const std::string directory_;
};

class LocalStore final : public Store {
 public:
  LocalStore(std::string directory, WorkPool& pool)
      : directory_(directory), disk_(std::make_shared<Disk>(std::move(directory))), pool_(pool) {}

  std::string_view kind() const override { return "local"; }
  std::string description() const override { return "local " + directory_; }

  awaitable<Result<ObjectFacts>> put(Put object) override {
    FLUX_CO_CHECK(check(object.key));
    auto done =
        co_await run<ObjectFacts>([disk = disk_, object = std::move(object)] { return disk->put(object); });
    co_return done;
  }
  awaitable<Result<ObjectFacts>> get(std::string key, std::optional<Range> range, Sink sink) override {
    FLUX_CO_CHECK(check(key));
    auto done = co_await run<ObjectFacts>([disk = disk_, key = std::move(key), range,
                                           sink = std::move(sink)] { return disk->get(key, range, sink); });
    co_return done;
  }
  awaitable<Result<ObjectFacts>> head(std::string key) override {
    FLUX_CO_CHECK(check(key));
    auto done = co_await run<ObjectFacts>([disk = disk_, key = std::move(key)] { return disk->head(key); });
    co_return done;
  }
  awaitable<Result<void>> remove(std::string key) override {
    FLUX_CO_CHECK(check(key));
    auto done = co_await pool_.run(WhenFull::wait, "",
                                   [disk = disk_, key = std::move(key)] { return disk->remove(key); });
    co_return done;
  }
  awaitable<Result<Listing>> list(std::string prefix, std::string after, int limit) override {
    const auto count = static_cast<std::size_t>(std::clamp(limit, 1, 1000));
    auto done = co_await run<Listing>([disk = disk_, prefix = std::move(prefix), after = std::move(after),
                                       count] { return Result<Listing>(disk->list(prefix, after, count)); });
    co_return done;
  }
  awaitable<Result<int>> sweep_uploads(std::string, Millis before) override {
    auto done = co_await run<int>([disk = disk_, before] { return Result<int>(disk->sweep(before)); });
    co_return done;
  }
  Result<SignedRequest> presigned_get(std::string_view, const LinkOptions&) const override {
    return cannot_sign();
  }
  Result<SignedRequest> presigned_put(std::string_view, std::string_view, std::uint64_t,
                                      Millis) const override {
    return cannot_sign();
  }
  std::string local_path(std::string_view key) const override {
    return check(key) ? disk_->path_of(key) : std::string();
  }
  awaitable<ConnectionReport> test() override {
    auto report =
        co_await test_connection(*this, [](std::string_view, const Error& error) { return error.message(); });
    co_return report;
  }

 private:
  static std::unexpected<Error> cannot_sign() { return fail(failure("store_cannot_sign", "the local disk")); }

  static Result<void> check(std::string_view key) {
    FLUX_CHECK(check_key(key));
    if (is_reserved(key)) return fail(failure("object_key_invalid", "reserved").with("rule", "reserved"));
    return {};
  }

  template <class T>
  awaitable<Result<T>> run(std::function<Result<T>()> work) {
    auto result = std::make_shared<Result<T>>();
    auto job = [result, work = std::move(work)]() -> Result<void> {
      *result = work();
      return {};
    };
    FLUX_CO_CHECK(co_await pool_.run(WhenFull::wait, "", std::move(job)));
    co_return std::move(*result);
  }

  const std::string directory_;
  const std::shared_ptr<const Disk> disk_;
  WorkPool& pool_;
};

}  // namespace

Result<std::unique_ptr<Store>> make_local_store(LocalSettings settings, const StoreParts& parts) {
  std::error_code error;
  fs::create_directories(settings.directory + "/tmp", error);
  if (error) return fail(failure("storage_failed", settings.directory + ": " + error.message()));
  return std::make_unique<LocalStore>(fs::canonical(settings.directory).string(), parts.disk);
}

}  // namespace fluxgate::files

#include "files/blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/log.h"
#include "files/stores/disk.h"

namespace fluxgate::files {
namespace {

namespace fs = std::filesystem;

// Bytes after which those that came are sent on to the disk, so that little is left to wait for at the end.
constexpr std::uint64_t kWriteBehind = 2u << 20;
constexpr std::size_t kHashRead = 256 * 1024;

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

// ---- a file being written ----

Staged::Staged(const std::string& tmp_directory) : path_(tmp_directory + "/" + crypto::random_hex(16)) {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "cannot create " + path_);
}

Staged::~Staged() {
  seal();
  if (!path_.empty()) ::unlink(path_.c_str());
}

void Staged::seal() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<void> Staged::append(std::string_view bytes) {
  const std::uint64_t before = size_, after = before + bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return disk_error("write", path_);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  size_ = after;
  flushed_ = false;
  if (after / kWriteBehind != before / kWriteBehind) ::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE);
  return {};
}

// By path: encoders may have replaced the file that was created here.
Result<void> Staged::adopt_content() {
  seal();
  struct stat facts {};
  if (::stat(path_.c_str(), &facts) != 0) return disk_error("look at", path_);
  size_ = static_cast<std::uint64_t>(facts.st_size);
  flushed_ = false;
  return {};
}

Result<void> Staged::hash_some() {
  const std::scoped_lock lock(hashing_);
  if (hashed_ == size_) return {};
  const Descriptor file(path_, O_RDONLY);
  if (!file) return disk_error("open", path_);
  std::string buffer(kHashRead, '\0');
  while (hashed_ < size_) {
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), size_ - hashed_);
    const ssize_t got = ::pread(file.get(), buffer.data(), wanted, static_cast<off_t>(hashed_));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return disk_error("read", path_);
    hash_.update({buffer.data(), static_cast<std::size_t>(got)});
    hashed_ += static_cast<std::uint64_t>(got);
  }
  return {};
}

// Flushing goes by file, not by descriptor: a new one does as well as the one that wrote.
Result<void> Staged::flush() {
  if (flushed_) return {};
  const Descriptor file(path_, O_RDONLY);
  if (!file || ::fdatasync(file.get()) != 0) return disk_error("flush", path_);
  flushed_ = true;
  return {};
}

Result<std::string> Staged::sha256() {
  FLUX_CHECK(hash_some());
  const std::scoped_lock lock(hashing_);
  if (sha256_.empty()) sha256_ = crypto::hex(hash_.finish());
  return sha256_;
}

// ---- the store ----

BlobStore::BlobStore(std::string directory) : directory_(std::move(directory)) {
  fs::create_directories(directory_ + "/tmp");
  fs::create_directories(directory_ + "/thumbs");
  directory_ = fs::canonical(directory_).string();
}

std::unique_ptr<Staged> BlobStore::stage() const { return std::make_unique<Staged>(directory_ + "/tmp"); }

Result<std::string> BlobStore::publish(Staged& staged, std::string_view extension) const {
  FLUX_TRY(hash, staged.sha256());
  const std::string outer = directory_ + "/" + hash.substr(0, 2);
  const std::string inner = outer + "/" + hash.substr(2, 2);
  const std::string key = fmt::format("{}/{}/{}.{}", hash.substr(0, 2), hash.substr(2, 2), hash, extension);
  const std::string path = directory_ + "/" + key;
  // The same bytes were kept before. Being touched, they count as new (see take_away).
  if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0) return key;
  FLUX_CHECK(staged.flush());
  ::mkdir(outer.c_str(), 0750);
  ::mkdir(inner.c_str(), 0750);
  if (::rename(staged.path_.c_str(), path.c_str()) != 0) return disk_error("rename", path);
  staged.path_.clear();
  // The first flush takes the others with it. All three each time: another may have made the folders a moment ago.
  if (!flush_folder(inner) || !flush_folder(outer) || !flush_folder(directory_)) return disk_error("flush folder", inner);
  return key;
}

Result<void> BlobStore::place(Staged& staged, const std::string& path) const {
  std::error_code ignored;
  fs::create_directories(fs::path(path).parent_path(), ignored);
  if (::rename(staged.path_.c_str(), path.c_str()) != 0) return disk_error("rename", path);
  staged.path_.clear();
  return {};
}

// Whoever publishes the same bytes meanwhile has either touched the file before it was renamed, which shows in its
// time, or finds none and puts its own there.
bool BlobStore::take_away(std::string_view key, std::chrono::milliseconds older_than) const {
  const std::string path = path_of(key);
  const std::string aside = directory_ + "/tmp/" + crypto::random_hex(16);
  if (path.empty() || ::rename(path.c_str(), aside.c_str()) != 0) return true;  // it is not there
  std::error_code error;
  const auto age = fs::file_time_type::clock::now() - fs::last_write_time(aside, error);
  if (!error && age < older_than) {
    ::rename(aside.c_str(), path.c_str());
    return false;
  }
  ::unlink(aside.c_str());
  return true;
}

Result<void> BlobStore::adopt_copy(const std::string& from, std::string_view key) const {
  const auto staged = stage();
  const Descriptor file(from, O_RDONLY);
  if (!file) return disk_error("open", from);
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return disk_error("read", from);
    if (got == 0) break;
    FLUX_CHECK(staged->append({buffer.data(), static_cast<std::size_t>(got)}));
  }
  FLUX_TRY(hash, staged->sha256());
  if (!is_key(key) || hash != sha256_of(key))
    return fail(Errc::invalid, "not_its_content",
                {"The file's name is not the hash of its content.", "文件名与内容的哈希不一致。"});
  FLUX_CHECK(publish(*staged, key.substr(key.rfind('.') + 1)));
  return {};
}

void BlobStore::drop_thumbnails(std::string_view sha256) const {
  std::error_code error;
  for (const auto& side : fs::directory_iterator(directory_ + "/thumbs", error))
    for (const char* extension : {"webp", "avif"}) {
      std::error_code gone;
      fs::remove(side.path() / fmt::format("{}.{}", sha256, extension), gone);
    }
}

void BlobStore::each(
    const std::function<void(const std::string& key, std::uint64_t size, std::chrono::milliseconds age)>& visit) const {
  const auto now = fs::file_time_type::clock::now();
  std::error_code error;
  for (fs::recursive_directory_iterator entry(directory_, error), end; !error && entry != end; entry.increment(error)) {
    const std::string key = fs::relative(entry->path(), directory_).string();
    if (!is_key(key)) continue;
    std::error_code gone;
    const auto size = entry->file_size(gone);
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - entry->last_write_time(gone));
    if (!gone) visit(key, size, age);
  }
}

std::string BlobStore::path_of(std::string_view key) const {
  return is_key(key) ? directory_ + "/" + std::string(key) : std::string();
}

std::string BlobStore::thumbnail_path(std::string_view sha256, int side, std::string_view extension) const {
  return fmt::format("{}/thumbs/{}/{}.{}", directory_, side, sha256, extension);
}

std::string BlobStore::poster_path(std::string_view sha256) const {
  return fmt::format("{}/thumbs/poster/{}.webp", directory_, sha256);
}

void BlobStore::sweep() const {
  const auto oldest = fs::file_time_type::clock::now() - std::chrono::hours(1);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory_ + "/tmp", error)) {
    std::error_code gone;
    if (entry.last_write_time(gone) < oldest && !gone) fs::remove(entry.path(), gone);
  }
  if (error) log::warn("storage: cannot sweep {}/tmp: {}", directory_, error.message());
}

// "ab/cd/abcd….ext"
bool is_key(std::string_view text) {
  if (text.size() < 72 || text.size() > 75 || text[2] != '/' || text[5] != '/' || text[70] != '.')
    return false;
  const std::string_view hash = text.substr(6, 64);
  if (!is_hex(hash) || text.substr(0, 2) != hash.substr(0, 2) || text.substr(3, 2) != hash.substr(2, 2))
    return false;
  return std::ranges::all_of(text.substr(71),
                             [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

bool has_bytes(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && facts.st_size > 0;
}

std::string_view sha256_of(std::string_view key) { return key.substr(6, 64); }

}  // namespace fluxgate::files

#include "files/partial.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "files/stores/disk.h"

namespace fluxgate::files {
namespace {

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

struct Digest::Context {
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(md); }
};

Digest::Digest(std::unique_ptr<Context> context) : context_(std::move(context)) {}
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

std::optional<Digest> Digest::of(std::string_view algorithm) {
  const EVP_MD* kind = algorithm == "sha1"     ? EVP_sha1()
                       : algorithm == "md5"    ? EVP_md5()
                       : algorithm == "sha256" ? EVP_sha256()
                                               : nullptr;
  if (!kind) return std::nullopt;
  auto context = std::make_unique<Context>();
  if (!context->md || EVP_DigestInit_ex(context->md, kind, nullptr) != 1) throw std::bad_alloc();
  return Digest(std::move(context));
}

void Digest::update(std::string_view bytes) { EVP_DigestUpdate(context_->md, bytes.data(), bytes.size()); }

std::string Digest::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out;
  unsigned size = 0;
  EVP_DigestFinal_ex(context_->md, out.data(), &size);
  return {reinterpret_cast<const char*>(out.data()), size};
}

Result<void> PartialFile::create(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path();
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (fd < 0) return disk_error("create", path);
  ::close(fd);
  const int above = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool flushed = above >= 0 && ::fsync(above) == 0;
  if (above >= 0) ::close(above);
  if (!flushed) return disk_error("flush folder", folder);
  return {};
}

std::optional<std::uint64_t> PartialFile::length_of(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(facts.st_size);
}

Result<PartialFile> PartialFile::open(const std::string& path) {
  PartialFile file;
  file.path_ = path;
  file.fd_ = ::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC);
  if (file.fd_ < 0 && errno == ENOENT)
    return fail(Errc::not_found, "upload_not_found",
                {"There is no such upload, or its time is over.", "上传不存在或已过期。"});
  if (file.fd_ < 0) return disk_error("open", path);
  if (::flock(file.fd_, LOCK_EX | LOCK_NB) != 0)
    return fail(Errc::conflict, "upload_locked",
                {"Another request is adding to this upload.", "另一个请求正在写入此上传。"});
  struct stat facts{};
  if (::fstat(file.fd_, &facts) != 0) return disk_error("stat", path);
  file.length_ = static_cast<std::uint64_t>(facts.st_size);
  return file;
}

PartialFile::PartialFile(PartialFile&& other) noexcept { *this = std::move(other); }

PartialFile& PartialFile::operator=(PartialFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(aside_fd_, other.aside_fd_);
  std::swap(length_, other.length_);
  std::swap(aside_, other.aside_);
  return *this;
}

PartialFile::~PartialFile() {
  if (aside_fd_ >= 0) ::close(aside_fd_);
  if (fd_ >= 0) ::close(fd_);  // and with it the lock
}

// Without a name: a crash leaves nothing behind.
Result<void> PartialFile::put_aside() {
  const std::string folder = std::filesystem::path(path_).parent_path();
  aside_fd_ = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
  if (aside_fd_ >= 0) return {};
  const std::string name = path_ + ".aside";  // file systems without O_TMPFILE (NFS)
  aside_fd_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (aside_fd_ < 0) return disk_error("create", name);
  ::unlink(name.c_str());
  return {};
}

Result<void> PartialFile::append(std::string_view bytes) {
  const bool aside = aside_fd_ >= 0;
  if (!write_all(aside ? aside_fd_ : fd_, bytes)) return disk_error("write", path_);
  (aside ? aside_ : length_) += bytes.size();
  return {};
}

Result<void> PartialFile::accept() {
  std::array<char, 64 * 1024> buffer;
  off_t at = 0;
  while (true) {
    const ssize_t got = ::pread(aside_fd_, buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return disk_error("read", path_);
    if (got == 0) break;
    if (!write_all(fd_, {buffer.data(), static_cast<std::size_t>(got)})) return disk_error("write", path_);
    at += got;
    length_ += static_cast<std::uint64_t>(got);
  }
  ::close(std::exchange(aside_fd_, -1));
  aside_ = 0;
  return {};
}

Result<void> PartialFile::flush() {
  if (::fdatasync(fd_) != 0) return disk_error("flush", path_);
  return {};
}

}  // namespace fluxgate::files

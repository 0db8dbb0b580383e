#include "files/stores/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "files/stores/disk.h"
#include "files/stores/failures.h"

namespace fluxgate::files {
namespace {

class FileSource final : public Source {
 public:
  FileSource(Descriptor file, std::string path, std::uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size) {}

  std::uint64_t size() const override { return size_; }
  std::string path() const override { return path_; }

  Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const override {
    if (offset >= size_ || into.empty()) return 0;
    while (true) {
      const ssize_t got = ::pread(file_.get(), into.data(), into.size(), static_cast<off_t>(offset));
      if (got > 0) return static_cast<std::size_t>(got);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return disk_error("read", path_);
      return fail(failure("storage_failed", path_ + " became shorter while it was read"));
    }
  }

 private:
  const Descriptor file_;
  const std::string path_;
  const std::uint64_t size_;
};

class MemorySource final : public Source {
 public:
  explicit MemorySource(std::string bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const override { return bytes_.size(); }
  Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const override {
    if (offset >= bytes_.size()) return 0;
    return bytes_.copy(into.data(), into.size(), static_cast<std::size_t>(offset));
  }

 private:
  const std::string bytes_;
};

}  // namespace

Result<std::shared_ptr<const Source>> open_file_source(std::string path) {
  Descriptor file(path, O_RDONLY);
  struct stat facts{};
  if (!file && errno == ENOENT)
    return fail(Errc::not_found, "file_not_found", {"The file does not exist.", "文件不存在。"});
  if (!file || ::fstat(file.get(), &facts) != 0) return disk_error("open", path);
  if (!S_ISREG(facts.st_mode)) return fail(failure("storage_failed", path + " is no regular file"));
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  return std::make_shared<FileSource>(std::move(file), std::move(path), size);
}

std::shared_ptr<const Source> make_memory_source(std::string bytes) {
  return std::make_shared<MemorySource>(std::move(bytes));
}

}  // namespace fluxgate::files

#include "http/file_reply.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace fluxgate::http {

std::optional<FileReply> FileReply::open(const std::string& path) {
  // O_NONBLOCK: a FIFO in the place of a file must not stop the thread.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return std::nullopt;
  FileReply file;
  file.descriptor_ = descriptor;
  struct stat facts{};
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) return std::nullopt;
  file.size_ = static_cast<std::uint64_t>(facts.st_size);
  file.modified_ = facts.st_mtime;
  file.range = {0, file.size_};
  return file;
}

FileReply::FileReply(FileReply&& other) noexcept { *this = std::move(other); }

FileReply& FileReply::operator=(FileReply&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  size_ = other.size_;
  modified_ = other.modified_;
  range = other.range;
  return *this;
}

FileReply::~FileReply() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string FileReply::read(std::uint64_t first, std::uint64_t size) const {
  std::string out(size, '\0');
  std::size_t filled = 0;
  while (filled < out.size()) {
    const ssize_t got =
        ::pread(descriptor_, out.data() + filled, out.size() - filled, static_cast<off_t>(first + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
  }
  out.resize(filled);
  return out;
}

}  // namespace fluxgate::http

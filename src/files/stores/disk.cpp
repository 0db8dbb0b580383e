#include "files/stores/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "files/stores/failures.h"

namespace fluxgate::files {

Descriptor::Descriptor(const std::string& path, int flags, unsigned mode)
    : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

std::unexpected<Error> disk_error(std::string_view what, const std::string& path) {
  const int reason = errno;
  const bool full = reason == ENOSPC || reason == EDQUOT;
  log::error("storage: {} {}: {}", what, path, std::strerror(reason));
  return std::unexpected(failure(full ? "storage_full" : "storage_failed",
                                 fmt::format("{} {}: {}", what, path, std::strerror(reason)))
                             .retry_after(60));
}

bool flush_folder(const std::string& path) {
  const Descriptor folder(path, O_RDONLY | O_DIRECTORY);
  return folder && ::fsync(folder.get()) == 0;
}

bool make_folder(const std::string& parent, const std::string& path) {
  if (::mkdir(path.c_str(), 0750) == 0) return flush_folder(parent);
  return errno == EEXIST;
}

}  // namespace fluxgate::files

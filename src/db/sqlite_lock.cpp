#include "db/sqlite_lock.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "db/care.h"

namespace fluxgate::db {
namespace {

// A file of another user in a folder that can be written is what a command left that another user ran.
Text not_opened(const std::string& path, int error) {
  struct stat info{};
  const bool anothers = ::stat(path.c_str(), &info) == 0 && info.st_uid != ::geteuid();
  const std::string why = std::strerror(error);
  Text text{fmt::format("cannot write the lock file {}: {}.", path, why), fmt::format("无法写入锁文件 {}：{}。", path, why)};
  if (anothers) {
    text.en += fmt::format(" It belongs to the user {}, and this is the user {}: give it to the one that serves (chown).", info.st_uid, ::geteuid());
    text.zh += fmt::format("该文件属于用户 {}，当前用户为 {}：请用 chown 将其交给运行服务的用户。", info.st_uid, ::geteuid());
  } else {
    text.en += " Its folder must exist, and be writable for the user fluxgate runs as.";
    text.zh += "其所在目录必须存在，且运行 fluxgate 的用户可写。";
  }
  return text;
}

}  // namespace

ServerLock::ServerLock(const std::string& database) {
  const std::string path = database + ".lock";
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file_ < 0) throw CareFailure(not_opened(path, errno));
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    ::close(file_);
    throw CareFailure({fmt::format("another fluxgate serves this database ({} is locked). Stop it, or use PostgreSQL to run several nodes.", path),
                       fmt::format("另一个 fluxgate 正在使用该数据库（{} 已被锁定）。请先停止它；如需多节点运行请使用 PostgreSQL。", path)});
  }
}

ServerLock::~ServerLock() { ::close(file_); }

}  // namespace fluxgate::db

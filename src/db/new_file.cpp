#include "db/new_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "db/care.h"

namespace fluxgate::db {

namespace fs = std::filesystem;

namespace {

void sync_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const int error = file < 0 || ::fsync(file) != 0 ? errno : 0;
  if (file >= 0) ::close(file);
  if (error != 0) system_failure(path, error);
}

}  // namespace

void system_failure(const std::string& path, int error) {
  const std::string why = std::strerror(error);
  throw CareFailure({fmt::format("{} cannot be written: {}. Nothing was changed.", path, why),
                     fmt::format("无法写入 {}：{}。未做任何更改。", path, why)});
}

fs::path folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

NewFile::NewFile(std::string path) : path_(std::move(path)) {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file_ < 0) system_failure(path_, errno);
  ::flock(file_, LOCK_EX | LOCK_NB);
}

NewFile::~NewFile() {
  std::error_code ignored;
  for (const char* beside : {"", "-journal"})
    if (!kept_) fs::remove(path_ + beside, ignored);
  ::close(file_);
}

void NewFile::belong_as(const std::string& other) {
  struct stat info{};
  if (::stat(other.c_str(), &info) != 0) system_failure(other, errno);
  if (::fchown(file_, info.st_uid, info.st_gid) != 0 && ::geteuid() == 0) system_failure(path_, errno);
  if (::fchmod(file_, info.st_mode & 07777) != 0) system_failure(path_, errno);
}

void NewFile::keep_as(const std::string& name) {
  sync_file(path_);
  if (::rename(path_.c_str(), name.c_str()) != 0) system_failure(name, errno);
  kept_ = true;
  sync_file(folder_of(name).string());
}

void remove_if_abandoned(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return;
  std::error_code ignored;
  if (::flock(file, LOCK_EX | LOCK_NB) == 0)
    for (const char* beside : {"-journal", ""}) fs::remove(path + beside, ignored);
  ::close(file);
}

void remove_abandoned(const fs::path& folder, const std::string& begin, std::string_view end) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(begin) && name.ends_with(end) && !name.ends_with("-journal")) remove_if_abandoned(entry.path().string());
  }
}

}  // namespace fluxgate::db

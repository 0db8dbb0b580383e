// Files that are whole or not there: backups, restores, copies. For sqlite_care.cpp; whatever fails is a CareFailure.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace fluxgate::db {

// "<path> cannot be written: <why>. Nothing was changed."
[[noreturn]] void system_failure(const std::string& path, int error);
// "." for a bare name.
std::filesystem::path folder_of(const std::string& path);

// A file that only its owner may read, gone again unless `keep_as` was called. It is locked as long as this object
// lives, so that one that a crash left behind is known by its lock being free.
class NewFile {
 public:
  explicit NewFile(std::string path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  const std::string& path() const { return path_; }
  // For whom that file is, this one is: a restore by root leaves the database to the user it serves. Where only root
  // may give files away, others keep theirs.
  void belong_as(const std::string& other);
  // Synced, and in the place of what has that name.
  void keep_as(const std::string& name);

 private:
  std::string path_;
  int file_ = -1;
  bool kept_ = false;
};

// A NewFile of a process that was killed, with its journal.
void remove_if_abandoned(const std::string& path);
// All of a folder whose names begin and end so.
void remove_abandoned(const std::filesystem::path& folder, const std::string& begin, std::string_view end);

}  // namespace fluxgate::db

// Copies of a SQLite file, and whether what it holds is sound. For sqlite_care.cpp. Throws CareFailure, or SqliteFailure
// for its caller to explain.
#pragma once

#include <string>
#include <string_view>

#include "db/new_file.h"
#include "db/sqlite_connection.h"

namespace fluxgate::db {

// One statement without parameters, whatever it answers.
void run(SqliteConnection& connection, std::string_view sql);

// Reads every page. `path` is named in what is thrown.
void check_sound(SqliteConnection& connection, const std::string& path);
// Looks every row up in every index: about seven times as long as check_sound, which is to be asked first.
void check_indexes(SqliteConnection& connection, const std::string& path);

void copy_pages(SqliteConnection& from, SqliteConnection& to, const std::string& from_path, const std::string& to_path);

// A file that a program left in the middle of a transaction, with the journal that undoes it, put right on a copy. The
// file itself is put right by SQLite when it is first opened for writing, which is not before the change.
class RecoveredCopy {
 public:
  static bool has_room(const std::string& path);
  explicit RecoveredCopy(const std::string& path);
  const std::string& path() const { return copy_.path(); }

 private:
  NewFile copy_, journal_;
};

}  // namespace fluxgate::db

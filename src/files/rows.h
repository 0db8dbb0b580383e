// The table generated_files, in the shape the fork gave it (spec/seed-db.md §11.2).
#pragma once

#include "files/files.h"

namespace fluxgate::files {

// With them the counts of fg_file_object and fg_file_usage, which nothing else may change. Locks are taken in one order
// everywhere: the member's sum in fg_file_usage, the object, its rows.
void insert_row(db::Tx& tx, const FileRow& row, const Stored& stored);
// Those that are not deleted. `owner` "" = any.
std::optional<FileRow> find_row(db::Tx& tx, std::string_view id, std::string_view owner);
// Of a result the row stays, as 'deleted', because its task shows it. False when there was none.
bool remove_row(db::Tx& tx, std::string_view id, std::string_view owner, Millis now);

// A page of a user's files, newest first, as generated_files has them.
struct FileQuery {
  std::string user_id;
  std::string file_type, source_type, status;  // "" = any
  std::int64_t offset = 0;
  int limit = 20;
};
struct ListedFile {
  FileRow row;
  std::string file_type, status, error, metadata;  // metadata: JSON, or ""
};
struct FilePage {
  std::vector<ListedFile> files;
  std::int64_t total = 0;
};
FilePage list_rows(db::Tx& tx, const FileQuery& query);

// An upload was an input of that task.
void note_use(db::Tx& tx, std::string_view file_id, std::string_view task_id);

// The key of an object in a path in a bucket: its end where that has a key's form, else all of it.
std::string_view key_in(std::string_view cloud_path);

// "YYYY-MM-DD HH:MM:SS.ffffff" in UTC, as SQLAlchemy writes a DATETIME, and back. Fractions of any
// length, none, and a "T" are read too; 0 for what is no time.
std::string sql_time(Millis time_ms);
Millis parse_sql_time(std::string_view text);

}  // namespace fluxgate::files

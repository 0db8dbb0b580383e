// The table generated_files, in the shape the fork gave it (spec/seed-db.md §11.2).
#pragma once

#include "files/files.h"

namespace fluxgate::files {

void insert_row(db::Tx& tx, const FileRow& row, const Stored& stored);
std::optional<FileRow> find_row(db::Tx& tx, std::string_view id, std::string_view owner);

// "YYYY-MM-DD HH:MM:SS.ffffff" in UTC, as SQLAlchemy writes a DATETIME, and back. Fractions of any
// length, none, and a "T" are read too; 0 for what is no time.
std::string sql_time(Millis time_ms);
Millis parse_sql_time(std::string_view text);

}  // namespace fluxgate::files

#include "db/sqlite_copy.h"

#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "db/care.h"
#include "db/sqlite_words.h"

namespace fluxgate::db {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_with(int code, const std::string& path, const char* says) { throw CareFailure(explained(code, path, says)); }

// What a PRAGMA that checks says first, unless that is "ok".
template <class F>
void unless_ok(SqliteConnection& connection, std::string_view pragma, F&& f) {
  static_cast<Tx&>(connection).each(pragma, {}, [&](const Row& row) {
    if (row.text(0) != "ok") f(row.str(0));
  });
}

constexpr std::string_view kRecovering = ".recovering-";

std::string name_for_copy(const std::string& path) {
  remove_abandoned(folder_of(path), fs::path(path).filename().string().append(kRecovering), "");
  return fmt::format("{}{}{}", path, kRecovering, ::getpid());
}

void copy_bytes(const std::string& from, const std::string& to) {
  std::error_code failed;
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, failed);
  if (failed) system_failure(to, failed.value());
}

}  // namespace

void run(SqliteConnection& connection, std::string_view sql) {
  static_cast<Tx&>(connection).each(sql, {}, [](const Row&) {});
}

void check_sound(SqliteConnection& connection, const std::string& path) {
  unless_ok(connection, "PRAGMA quick_check(1)", [&](const std::string& says) { fail_with(SQLITE_CORRUPT, path, says.c_str()); });
}

void check_indexes(SqliteConnection& connection, const std::string& path) {
  unless_ok(connection, "PRAGMA integrity_check(1)", [&](const std::string& says) {
    throw CareFailure({fmt::format("{0} is damaged: an index does not fit its table ({1}). Nothing was changed. The rows can be read: copy the file, "
                                   "make its indexes anew with sqlite3 {0} REINDEX, then try again.", path, says),
                       fmt::format("{0} 已损坏：索引与表不一致（{1}）。未做任何更改。数据行仍可读取：请先复制该文件，再用 sqlite3 {0} REINDEX 重建索引，然后重试。",
                                   path, says)});
  });
}

void copy_pages(SqliteConnection& from, SqliteConnection& to, const std::string& from_path, const std::string& to_path) {
  sqlite3_backup* copying = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (!copying) fail_with(sqlite3_errcode(to.handle()), to_path, sqlite3_errmsg(to.handle()));
  const int stepped = sqlite3_backup_step(copying, -1);
  const int finished = sqlite3_backup_finish(copying);
  if (finished != SQLITE_OK) fail_with(finished, (finished & 0xff) == SQLITE_FULL ? to_path : from_path, sqlite3_errstr(finished));
  if (stepped != SQLITE_DONE) fail_with(stepped, from_path, sqlite3_errstr(stepped));
}

bool RecoveredCopy::has_room(const std::string& path) {
  std::error_code unknown;
  const auto room = fs::space(folder_of(path), unknown);
  return unknown || room.available > fs::file_size(path) + fs::file_size(path + "-journal");
}

RecoveredCopy::RecoveredCopy(const std::string& path) : copy_(name_for_copy(path)), journal_(copy_.path() + "-journal") {
  copy_bytes(path, copy_.path());
  copy_bytes(path + "-journal", journal_.path());
  SqliteConnection connection(copy_.path(), SqliteConnection::Mode::read_write);
  run(connection, "PRAGMA schema_version");
}

}  // namespace fluxgate::db

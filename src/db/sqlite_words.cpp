#include "db/sqlite_words.h"

#include <fmt/format.h>

namespace fluxgate::db {

Text explained(int code, const std::string& path, std::string_view sqlite_says) {
  switch (code & 0xff) {
    case SQLITE_NOTADB:
      return {fmt::format("{} is not a SQLite database, or it is encrypted (SQLCipher). Nothing was changed.", path),
              fmt::format("{} 不是 SQLite 数据库，或已加密（SQLCipher）。未做任何更改。", path)};
    case SQLITE_CORRUPT:
      return {fmt::format("{} is damaged ({}). Nothing was changed. Put a backup back: fluxgate db restore FILE", path, sqlite_says),
              fmt::format("{} 已损坏（{}）。未做任何更改。请恢复备份：fluxgate db restore FILE", path, sqlite_says)};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {fmt::format("{} is locked by another program. Stop the program that uses it, then try again. Nothing was changed.", path),
              fmt::format("{} 正被其他程序锁定。请停止使用它的程序后重试。未做任何更改。", path)};
    case SQLITE_FULL:
      return {fmt::format("The disk of {} is full. Nothing was changed.", path), fmt::format("{} 所在磁盘已满。未做任何更改。", path)};
    case SQLITE_IOERR:
      return {fmt::format("{} cannot be read or written ({}): the disk is full, limited or failing. Nothing was changed.", path, sqlite_says),
              fmt::format("{} 无法读写（{}）：磁盘已满、受限或出现故障。未做任何更改。", path, sqlite_says)};
    case SQLITE_READONLY:
      if (code == SQLITE_READONLY_ROLLBACK || code == SQLITE_READONLY_RECOVERY)
        return {fmt::format("{0} was left in the middle of a write by a crash. Let SQLite finish first: sqlite3 {0} \"PRAGMA integrity_check\". "
                            "Nothing was changed.", path),
                fmt::format("{0} 因崩溃停在写入中途。请先让 SQLite 完成恢复：sqlite3 {0} \"PRAGMA integrity_check\"。未做任何更改。", path)};
      return {fmt::format("{} may not be written: give the file and its folder to the user fluxgate runs as. "
                          "Nothing was changed.", path),
              fmt::format("{} 不可写：请将文件及其目录授权给运行 fluxgate 的用户。未做任何更改。", path)};
    case SQLITE_CANTOPEN:
      return {fmt::format("{} cannot be opened: check that it and its folder exist and may be read and written.", path),
              fmt::format("无法打开 {}：请检查文件及其目录是否存在、可读写。", path)};
    default:
      return {fmt::format("{}: {}. Nothing was changed.", path, sqlite_says), fmt::format("{}：{}。未做任何更改。", path, sqlite_says)};
  }
}

Text explained(const SqliteFailure& failure, const std::string& path) {
  const bool unknown = (failure.code() & 0xff) == SQLITE_ERROR;
  return explained(failure.code(), path, unknown ? failure.what() : sqlite3_errstr(failure.code()));
}

}  // namespace fluxgate::db

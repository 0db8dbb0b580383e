#include "db/sqlite_care.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>

#include <unistd.h>

#include <fmt/format.h>

#include "db/adopt/adopt.h"
#include "db/introspect.h"
#include "db/new_file.h"
#include "db/sqlite_connection.h"
#include "db/sqlite_copy.h"
#include "db/sqlite_lock.h"
#include "db/sqlite_words.h"

namespace fluxgate::db {
namespace {

namespace fs = std::filesystem;
using Mode = SqliteConnection::Mode;

template <class F>
auto explaining(const std::string& path, F&& f) {
  try {
    return f();
  } catch (const CareFailure&) {
    throw;
  } catch (const SqliteFailure& failure) {
    throw CareFailure(explained(failure, path));
  }
}

constexpr std::string_view kRestoring = ".restoring", kPart = ".part";

// After anything else serving would begin anew, and make whoever comes first its administrator.
void expect_ours(Tx& tx, const std::string& path) {
  if (std::ranges::any_of(table_names(tx), [](const std::string& name) { return name.starts_with("fg_"); }) || adopt::needed(tx)) return;
  throw CareFailure({fmt::format("{} is no backup: there is no table in it of Fluxgate's, nor one that it could take over. Nothing was changed.", path),
                     fmt::format("{} 不是备份：其中既没有 Fluxgate 的表，也没有可接管的表。未做任何更改。", path)});
}

class SqliteCare final : public Care {
 public:
  explicit SqliteCare(std::string path) : path_(std::move(path)) {}

  Dialect dialect() const override { return Dialect::sqlite; }
  std::string described() const override { return path_; }
  bool exists() override {
    std::error_code ignored;
    return fs::exists(path_, ignored) && (!fs::is_regular_file(path_, ignored) || fs::file_size(path_, ignored) > 0);
  }

  void read(const std::function<void(Tx&)>& closure) override;
  std::optional<Text> remark() const override;
  void examine() override;
  void examine_indexes() override;
  void change(const std::function<void(Tx&)>& closure) override;
  Backup change_after_backup(const std::string& folder, Millis now, const std::vector<std::string>& tables,
                             const std::function<void(Tx&)>& closure) override;
  void scrub() override;
  Backup backup(const std::string& folder, Millis now) override;
  Restored restore(const std::string& backup, Millis now) override;

 private:
  std::unique_ptr<SqliteConnection> reader();
  void write(const std::function<void(SqliteConnection&)>& work);
  void undo();
  void fold_back_log();
  std::string set_aside(Millis now);

  const std::string path_;
  std::unique_ptr<RecoveredCopy> recovered_;
  bool recovered_in_place_ = false;
};

// A container's engine makes a folder of what should have been mounted as a file.
void expect_file(const std::string& path) {
  std::error_code ignored;
  const auto status = fs::status(path, ignored);
  if (!fs::exists(status) || fs::is_regular_file(status)) return;
  const bool folder = fs::is_directory(status);
  throw CareFailure({fmt::format("{} is {}, not a file. Name the database with --database-url or DATABASE_URL.", path, folder ? "a folder" : "a device or a pipe"),
                     fmt::format("{} 是{}，不是文件。请用 --database-url 或 DATABASE_URL 指定数据库。", path, folder ? "目录" : "设备或管道")});
}

std::unique_ptr<SqliteConnection> SqliteCare::reader() {
  expect_file(path_);
  if (!recovered_) {
    auto connection = std::make_unique<SqliteConnection>(path_, Mode::read_only);
    try {
      run(*connection, "PRAGMA schema_version");
      return connection;
    } catch (const SqliteFailure& failure) {
      if (failure.code() != SQLITE_READONLY_ROLLBACK) throw;
    }
    recovered_in_place_ = !RecoveredCopy::has_room(path_);
    if (recovered_in_place_) undo();
    else recovered_ = std::make_unique<RecoveredCopy>(path_);
  }
  return std::make_unique<SqliteConnection>(recovered_ ? recovered_->path() : path_, Mode::read_only);
}

std::optional<Text> SqliteCare::remark() const {
  if (recovered_in_place_)
    return Text{"A crash left the file in the middle of a write. As the disk has no room for a copy, SQLite has undone that write in the file "
                "itself, from the journal beside it.",
                "文件因崩溃停在写入中途。由于磁盘空间不足以建立副本，SQLite 已根据旁边的日志在文件中直接撤销该次写入。"};
  if (!recovered_) return std::nullopt;
  return Text{"A crash left the file in the middle of a write. SQLite undoes that write from the journal beside it; the backup is of the "
              "file put right.",
              "文件因崩溃停在写入中途。SQLite 将根据旁边的日志撤销该次写入；备份为恢复后的文件。"};
}

void SqliteCare::read(const std::function<void(Tx&)>& closure) {
  explaining(path_, [&] {
    const auto connection = reader();
    run(*connection, "BEGIN");
    closure(*connection);
    connection->rollback();
  });
}

void SqliteCare::examine() {
  explaining(path_, [&] { check_sound(*reader(), path_); });
}

void SqliteCare::examine_indexes() {
  explaining(path_, [&] { check_indexes(*reader(), path_); });
}

// A connection that meets a full disk or one that fails may be unable to take its write back, and leaves that to the next
// who reads the file: this does so. It needs no room.
void SqliteCare::undo() {
  SqliteConnection connection(path_, Mode::read_write);
  run(connection, "PRAGMA schema_version");
}

class NotUndone final : public CareFailure {
 public:
  NotUndone(const std::string& path, const Text& first, const Text& then)
      : CareFailure({fmt::format("{0} was left in the middle of a write, which could not be undone ({1}). Leave {0}-journal where it is: the next "
                                 "program that may write the file undoes that write. It began so: {2}", path, then.en, first.en),
                     fmt::format("{0} 停在写入中途，且未能撤销（{1}）。请保留 {0}-journal：下一个可写入该文件的程序会撤销该次写入。最初的原因：{2}",
                                 path, then.zh, first.zh)}) {}
};

// `work` on the file, all of it or nothing.
void SqliteCare::write(const std::function<void(SqliteConnection&)>& work) {
  const ServerLock lock(path_);
  bool readable = false;
  try {
    SqliteConnection connection(path_, Mode::read_write);
    run(connection, "PRAGMA synchronous = FULL");
    run(connection, "PRAGMA secure_delete = ON");
    run(connection, "PRAGMA schema_version");
    readable = true;
    work(connection);
  } catch (const Failure& failure) {
    if (!readable) throw;
    try {
      undo();
    } catch (const SqliteFailure& then) {
      // Another program that holds the file had to undo it first.
      if ((then.code() & 0xff) != SQLITE_BUSY) throw NotUndone(path_, told(failure), explained(then, path_));
    }
    throw;
  }
}

void SqliteCare::change(const std::function<void(Tx&)>& closure) {
  explaining(path_, [&] {
    write([&](SqliteConnection& connection) {
      // A table that is renamed leaves the views of others that name it to the view that takes its place; nor do those
      // that are broken already keep it from being renamed.
      run(connection, "PRAGMA legacy_alter_table = ON");
      run(connection, "BEGIN IMMEDIATE");
      closure(connection);
      run(connection, "COMMIT");
    });
  });
}

Backup SqliteCare::change_after_backup(const std::string& folder, Millis now, const std::vector<std::string>&,
                                       const std::function<void(Tx&)>& closure) {
  std::optional<Backup> made;
  try {
    change([&](Tx& tx) {
      recovered_.reset();  // by now the file itself is right
      made = backup(folder, now);
      closure(tx);
    });
  } catch (const NotUndone& failure) {
    if (!made) throw;
    throw CareFailure({fmt::format("{} The backup is {}.", failure.text().en, made->place), fmt::format("{}备份为 {}。", failure.text().zh, made->place)});
  } catch (...) {
    std::error_code ignored;
    if (made) fs::remove(made->place, ignored);
    throw;
  }
  return *made;
}

void SqliteCare::scrub() {
  explaining(path_, [&] {
    write([](SqliteConnection& connection) {
      run(connection, "VACUUM");
      run(connection, "PRAGMA wal_checkpoint(TRUNCATE)");  // the log has copies, too
    });
  });
}

Backup SqliteCare::backup(const std::string& folder, Millis now) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) system_failure(folder, failed.value());
  const std::string stem = fs::path(path_).stem().string();
  std::string free = fmt::format("{}/{}-{}.db", folder, stem, stamp(now));
  remove_abandoned(folder, stem + "-", fmt::format(".db{}", kPart));
  const auto part = [&free] { return fmt::format("{}{}", free, kPart); };
  for (int i = 2; fs::exists(free, failed) || fs::exists(part(), failed); ++i) free = fmt::format("{}/{}-{}-{}.db", folder, stem, stamp(now), i);
  return explaining(path_, [&] {
    NewFile file(part());
    const auto from = reader();
    std::int64_t tables = 0;
    {
      SqliteConnection to(file.path(), Mode::read_write);
      copy_pages(*from, to, path_, file.path());
      run(to, "PRAGMA journal_mode = DELETE");  // one file, whatever the original has beside it
      check_sound(to, path_);
      tables = static_cast<Tx&>(to).number("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'");
    }
    file.keep_as(free);
    return Backup{free, tables};
  });
}

// What stands in the log beside the file goes into the file, and nobody else may be at work on it.
void SqliteCare::fold_back_log() {
  SqliteConnection connection(path_, Mode::read_write);
  run(connection, "PRAGMA journal_mode = DELETE");
  run(connection, "BEGIN EXCLUSIVE");
  connection.rollback();
}

// The file under a second name, and what lies beside it out of the way of the one that comes.
std::string SqliteCare::set_aside(Millis now) {
  std::error_code ignored;
  const std::string name = fmt::format("{}.before-restore-{}", path_, stamp(now));
  std::string aside = name;
  for (int i = 2; fs::exists(aside, ignored); ++i) aside = fmt::format("{}-{}", name, i);
  if (::link(path_.c_str(), aside.c_str()) != 0) system_failure(aside, errno);
  for (const char* beside : {"-wal", "-shm", "-journal"}) ::rename((path_ + beside).c_str(), (aside + beside).c_str());
  return aside;
}

Restored SqliteCare::restore(const std::string& backup, Millis now) {
  std::error_code ignored, unseen;
  const auto kind = fs::status(backup, unseen).type();
  if (kind == fs::file_type::none)
    throw CareFailure({fmt::format("The backup {} cannot be read: {}.", backup, unseen.message()),
                       fmt::format("无法读取备份 {}：{}。", backup, unseen.message())});
  if (kind != fs::file_type::regular)
    throw CareFailure({fmt::format("There is no backup {}.", backup), fmt::format("没有备份文件 {}。", backup)});
  if (fs::equivalent(backup, path_, ignored))
    throw CareFailure({"The backup is the database itself.", "该备份就是当前数据库本身。"});
  const ServerLock lock(path_);
  const std::string restoring = path_ + std::string(kRestoring);
  remove_if_abandoned(restoring);
  NewFile fresh(restoring);
  explaining(backup, [&] {
    SqliteConnection from(backup, Mode::read_only);
    check_sound(from, backup);
    expect_ours(from, backup);
    SqliteConnection to(fresh.path(), Mode::read_write);
    copy_pages(from, to, backup, fresh.path());
    run(to, "PRAGMA journal_mode = DELETE");
  });
  if (!exists()) {
    fresh.keep_as(path_);
    return {};
  }
  fresh.belong_as(path_);
  try {
    fold_back_log();
  } catch (const SqliteFailure& failure) {
    // A damaged file is why one restores; a busy one is not to be taken from under another program.
    if (const int code = failure.code() & 0xff; code == SQLITE_BUSY || code == SQLITE_LOCKED)
      throw CareFailure(explained(code, path_, failure.what()));
  }
  Restored done{.aside = set_aside(now)};
  fresh.keep_as(path_);
  return done;
}

}  // namespace

std::unique_ptr<Care> sqlite_care(std::string path) { return std::make_unique<SqliteCare>(std::move(path)); }

}  // namespace fluxgate::db

// Backups, repairs and restores of real files, and what is refused without changing a byte.
#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"
#include "db/check.h"
#include "db/postgresql_connection.h"
#include "db/repair.h"
#include "db/schema.h"
#include "db/sqlite_lock.h"
#include "support/postgres_server.h"
#include "support/seed_database.h"
#include "test_paths.h"

namespace fluxgate::db {
namespace {

namespace fs = std::filesystem;
constexpr Millis kNow = 1764150000000;

std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// As Open WebUI has its file, and so that its bytes are all of it: without a log beside it.
void sqlite3_command(const fs::path& file, const std::string& sql) {
  const std::string command = "sqlite3 '" + file.string() + "' '" + sql + "' >/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("fluxgate-care-" + new_id());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path file() const { return folder_ / "webui.db"; }
  std::string url() const { return "sqlite:///" + file().string(); }
  adopt::Options options() const { return {.now = kNow, .data_dir = folder_.string()}; }

  // A database of ours with an account, and something missing.
  void make_broken() const {
    auto database = open(url());
    database->write_now([](Tx& tx) {
      create_missing(tx, 1);
      tx.exec("INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ('ann', 5000, 0, 1, 1)");
      tx.exec("DROP VIEW credit");
      tx.exec("DROP TABLE fg_alert");
      tx.exec("DROP INDEX fg_task_history");
    });
  }
  std::int64_t count(const std::string& sql) const {
    std::int64_t found = -1;
    care_for(url())->read([&](Tx& tx) { found = tx.number(sql); });
    return found;
  }
  static bool yes(const Plan&) { return true; }
  std::string refusal_of_repair() const {
    try {
      repair(*care_for(url()), options(), yes);
    } catch (const Failure& failure) {
      return failure.what();
    }
    return "it was done";
  }
  // The whole folder's files but the backups and the lock.
  std::size_t others() const {
    return static_cast<std::size_t>(std::ranges::count_if(fs::directory_iterator(folder_), [](const auto& entry) {
      return entry.path().filename() != "backups" && entry.path().extension() != ".lock" && entry.path().filename() != "webui.db";
    }));
  }

  fs::path folder_;
};

// ---- repair ----

class RepairOfAFile : public Folder {};

TEST_F(RepairOfAFile, MendsWhatIsMissingAfterABackup) {
  make_broken();
  const auto done = repair(*care_for(url()), options(), yes);
  EXPECT_EQ(done.plan.state, State::needs_repair);
  EXPECT_EQ(done.plan.touched(), (std::vector<std::string>{"credit", "fg_alert", "fg_task"}));
  EXPECT_EQ(done.report.size(), 3u);
  EXPECT_EQ(count("SELECT COUNT(*) FROM credit WHERE credit = 5"), 1);
  ASSERT_TRUE(done.backup);
  EXPECT_EQ(fs::path(done.backup->place), folder_ / "backups" / "webui-20251126-094000.db");
  struct stat info{};
  ASSERT_EQ(::stat(done.backup->place.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
  care_for("sqlite:///" + done.backup->place)->read([](Tx& tx) { EXPECT_EQ(kind_of(tx, "credit"), Kind::none); });
}

TEST_F(RepairOfAFile, ChangesNothingTheSecondTime) {
  make_broken();
  repair(*care_for(url()), options(), yes);
  const std::string before = bytes_of(file());
  const auto again = repair(*care_for(url()), options(), [](const Plan&) -> bool { throw std::logic_error("nothing to ask"); });
  EXPECT_EQ(again.plan.state, State::ready);
  EXPECT_FALSE(again.backup);
  EXPECT_EQ(bytes_of(file()), before);
}

TEST_F(RepairOfAFile, ThatIsStoppedAtThePlanChangesNoByte) {
  make_broken();
  const std::string before = bytes_of(file());
  const auto planned = repair(*care_for(url()), options(), [](const Plan&) { return false; });
  EXPECT_EQ(planned.plan.lines.size(), 3u);
  EXPECT_EQ(bytes_of(file()), before);
  EXPECT_FALSE(fs::exists(folder_ / "backups"));
}

TEST_F(RepairOfAFile, SetsUpWhatIsNotThereYet) {
  const auto done = repair(*care_for(url()), options(), yes);
  EXPECT_EQ(done.plan.state, State::empty);
  EXPECT_FALSE(done.backup);
  EXPECT_EQ(count("SELECT MAX(version) FROM fg_migration"), kSchemaVersion);
}

TEST_F(RepairOfAFile, GivesWayToAnotherProgramThatFillsTheFileMeanwhile) {
  const auto fill = [this](const Plan& plan) {
    EXPECT_EQ(plan.state, State::empty);
    open(url())->write_now([](Tx& tx) {
      for (const std::string& statement : test::seed_statements(FLUXGATE_SOURCE_DIR, "base", test::SeedDialect::sqlite)) tx.exec(statement);
    });
    return true;
  };
  try {
    repair(*care_for(url()), options(), fill);
    FAIL() << "without a backup, and a plan that anybody saw";
  } catch (const CareFailure& failure) {
    EXPECT_NE(failure.text().en.find("no longer as it was"), std::string::npos) << failure.text().en;
  }
  EXPECT_EQ(count("SELECT COUNT(*) FROM sqlite_master WHERE name LIKE 'fg_%'"), 0);
}

TEST_F(RepairOfAFile, LeavesTheViewsOfOthersAloneAlsoBrokenOnes) {
  open(url())->write_now([](Tx& tx) {
    for (const char* script : {"base", "credit", "media"})
      for (const std::string& statement : test::seed_statements(FLUXGATE_SOURCE_DIR, script, test::SeedDialect::sqlite)) tx.exec(statement);
    tx.exec("CREATE VIEW mine AS SELECT id, prompt FROM flux_tasks");
    tx.exec("CREATE VIEW broken AS SELECT nosuch FROM flux_tasks");
  });
  const crypto::Sealer sealer{std::string(32, 'k')};
  auto with_key = options();
  with_key.sealer = &sealer;
  repair(*care_for(url()), with_key, yes);
  EXPECT_EQ(count("SELECT COUNT(*) FROM mine"), 8) << "of the view that took the table's place";
  EXPECT_EQ(count("SELECT COUNT(*) FROM mine WHERE id = 'f-1'"), 1);
}

TEST_F(RepairOfAFile, KeepsTheJournalAsItWas) {
  make_broken();
  sqlite3_command(file(), "PRAGMA journal_mode = DELETE");
  repair(*care_for(url()), options(), yes);
  EXPECT_EQ(bytes_of(file())[18], 1) << "the file's header says: no write-ahead log";
}

TEST_F(RepairOfAFile, FirstUndoesWhatACrashLeftHalfWritten) {
  make_broken();
  sqlite3_command(file(), "PRAGMA journal_mode = DELETE");
  sqlite3_command(file(), "CREATE TABLE pages (n INTEGER, text TEXT); INSERT INTO pages SELECT value, hex(zeroblob(2000)) FROM "
                          "generate_series(1, 200)");
  // A program that dies in a transaction whose pages did not fit its memory.
  const std::string dies = "printf 'PRAGMA cache_size = 1;\nBEGIN;\nUPDATE pages SET n = -n;\n.shell kill -9 $PPID\n' | sqlite3 '" +
                           file().string() + "' >/dev/null 2>&1";
  ASSERT_NE(std::system(dies.c_str()), 0);
  const fs::path journal = file().string() + "-journal";
  ASSERT_TRUE(fs::exists(journal));
  const std::string before = bytes_of(file()), before_journal = bytes_of(journal);

  const auto planned = repair(*care_for(url()), options(), [](const Plan&) { return false; });
  EXPECT_NE(planned.plan.lines.front().text.en.find("in the middle of a write"), std::string::npos);
  EXPECT_EQ(bytes_of(file()), before) << "a plan changes no byte";
  EXPECT_EQ(bytes_of(journal), before_journal);
  EXPECT_EQ(others(), 1u) << "the journal alone";

  const auto done = repair(*care_for(url()), options(), yes);
  EXPECT_EQ(count("SELECT COUNT(*) FROM pages WHERE n > 0"), 200);
  EXPECT_EQ(count("SELECT COUNT(*) FROM fg_alert"), 0);
  EXPECT_EQ(others(), 0u);
  ASSERT_TRUE(done.backup);
  care_for("sqlite:///" + done.backup->place)->read([](Tx& tx) {
    EXPECT_EQ(tx.number("SELECT COUNT(*) FROM pages WHERE n > 0"), 200);
    EXPECT_EQ(kind_of(tx, "fg_alert"), Kind::none);
  });
}

// ---- refusals ----

class RefusedRepair : public Folder {
 protected:
  void expect_refusal(const std::string& words) {
    const std::string before = bytes_of(file());
    const std::string said = refusal_of_repair();
    EXPECT_NE(said.find(words), std::string::npos) << said;
    EXPECT_EQ(bytes_of(file()), before) << "not one byte";
    EXPECT_EQ(others(), 0u) << "nothing is left lying about";
  }
  void make_plain() {
    make_broken();
    sqlite3_command(file(), "PRAGMA journal_mode = DELETE");
  }
};

TEST_F(RefusedRepair, NotADatabase) {
  std::ofstream(file()) << std::string(8192, 'x');
  expect_refusal("is not a SQLite database");
}

TEST_F(RefusedRepair, AFolder) {
  fs::create_directories(file());
  EXPECT_NE(refusal_of_repair().find("is a folder, not a file"), std::string::npos) << refusal_of_repair();
}

TEST_F(RefusedRepair, Truncated) {
  make_plain();
  fs::resize_file(file(), fs::file_size(file()) / 2);
  expect_refusal("is damaged");
}

TEST_F(RefusedRepair, LockedByAnotherProcess) {
  make_plain();
  // Holds its lock until its input ends.
  std::FILE* other = ::popen(("sqlite3 '" + file().string() + "' >'" + (folder_ / "backups").string() + "'").c_str(), "w");
  ASSERT_NE(other, nullptr);
  std::fputs("BEGIN EXCLUSIVE;\nSELECT 'locked';\n", other);
  std::fflush(other);
  while (bytes_of(folder_ / "backups").empty()) {
  }
  expect_refusal("is locked by another program");
  ::pclose(other);
}

TEST_F(RefusedRepair, WhileAServerRuns) {
  make_plain();
  const ServerLock server(file().string());
  expect_refusal("another fluxgate serves this database");
}

TEST_F(RefusedRepair, WhereTheLockCannotBeWritten) {
  make_plain();
  fs::create_directory(file().string() + ".lock");
  expect_refusal("webui.db.lock: Is a directory.");
}

TEST_F(RefusedRepair, NewerThanWeKnow) {
  make_broken();
  open(url())->write_now([](Tx& tx) { tx.exec("INSERT INTO fg_migration (version, applied_at) VALUES (99, 1)"); });
  sqlite3_command(file(), "PRAGMA journal_mode = DELETE");
  expect_refusal("A newer Fluxgate wrote this database: its schema is 99");
}

class SmallDisk {
 public:
  explicit SmallDisk(fs::path place) : place_(std::move(place)) {
    fs::create_directories(place_);
    mounted_ = ::mount("tmpfs", place_.c_str(), "tmpfs", 0, "size=4m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(place_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  fs::path filler() const { return place_ / "filler"; }
  void fill() const {
    std::ofstream out(filler(), std::ios::binary);
    while (out.write(std::string(4096, 'f').data(), 4096).flush()) {
    }
  }

 private:
  const fs::path place_;
  bool mounted_ = false;
};

TEST_F(RefusedRepair, OutOfDisk) {
  make_plain();
  const SmallDisk disk(folder_ / "disk");
  if (!disk.mounted()) GTEST_SKIP() << "only root can mount a small disk";
  const fs::path there = folder_ / "disk" / "webui.db";
  fs::copy_file(file(), there);
  disk.fill();
  const auto repair_there = [&] { return repair(*care_for("sqlite:///" + there.string()), options(), yes); };
  const std::string before = bytes_of(there);
  std::string said = "it was done";
  try {
    repair_there();
  } catch (const Failure& failure) {
    said = failure.what();
  }
  EXPECT_NE(said.find("full"), std::string::npos) << said;
  EXPECT_EQ(bytes_of(there), before);
  fs::remove(disk.filler());
  EXPECT_TRUE(repair_there().backup) << "with room it is done";
}

// A folder under a second name by which nothing in it can be changed.
class ReadOnlyView {
 public:
  ReadOnlyView(const fs::path& folder, fs::path place) : place_(std::move(place)) {
    fs::create_directories(place_);
    mounted_ = ::mount(folder.c_str(), place_.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
               ::mount(nullptr, place_.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  }
  ~ReadOnlyView() { ::umount2(place_.c_str(), MNT_DETACH); }
  ReadOnlyView(const ReadOnlyView&) = delete;
  bool mounted() const { return mounted_; }

 private:
  const fs::path place_;
  bool mounted_ = false;
};

TEST_F(RepairOfAFile, IsLookedAtWhereNothingCanBeWritten) {
  const fs::path folder = folder_ / "a folder #1?", place = folder_ / "view";
  fs::create_directories(folder);
  const std::string named = "sqlite:///" + (folder / "webui.db").string(), seen = "sqlite:///" + (place / "webui.db").string();
  auto server = open(named);
  server->write_now([](Tx& tx) { create_missing(tx, 1); });
  const ReadOnlyView view(folder, place);
  if (!view.mounted()) GTEST_SKIP() << "only root can mount a folder read-only";
  const auto versions = [&seen] {
    return open(seen, {.read_only = true})->read_now([](Tx& tx) { return tx.number("SELECT MAX(version) FROM fg_migration"); });
  };
  EXPECT_EQ(versions(), kSchemaVersion) << "beside the server, with its log";
  server->write_now([](Tx& tx) { tx.exec("INSERT INTO fg_migration (version, applied_at) VALUES (98, 1)"); });
  EXPECT_EQ(versions(), 98) << "also what stands in the log alone";
  server.reset();
  ASSERT_FALSE(fs::exists(folder / "webui.db-wal"));
  EXPECT_EQ(versions(), 98) << "after the server has ended";
  EXPECT_EQ(bytes_of(folder / "webui.db")[18], 2) << "a file with a write-ahead log";
  EXPECT_THROW(open(seen)->write_now([](Tx& tx) { tx.exec("DELETE FROM fg_migration"); }), Failure);
}

// ---- backup and restore ----

class BackupOfAFile : public Folder {};

TEST_F(BackupOfAFile, IsTakenBesideAServerAndPutBack) {
  make_broken();
  Backup made;
  {
    auto server = open(url(), {.exclusive_server = true});
    made = care_for(url())->backup((folder_ / "backups").string(), kNow, {});
    server->write_now([](Tx& tx) { tx.exec("UPDATE fg_credit_account SET balance = 1"); });
    EXPECT_THROW(care_for(url())->restore(made.place, kNow), Failure) << "not under a running server";
  }
  const std::string aside = care_for(url())->restore(made.place, kNow);
  EXPECT_EQ(count("SELECT balance FROM fg_credit_account"), 5000);
  EXPECT_EQ(fs::path(aside), file().string() + ".before-restore-20251126-094000");
  std::int64_t kept = 0;
  care_for("sqlite:///" + aside)->read([&](Tx& tx) { kept = tx.number("SELECT balance FROM fg_credit_account"); });
  EXPECT_EQ(kept, 1);
  EXPECT_TRUE(fs::exists(made.place)) << "the backup stays";
}

TEST_F(BackupOfAFile, ReplacesADamagedDatabase) {
  make_broken();
  const Backup made = care_for(url())->backup((folder_ / "backups").string(), kNow, {});
  fs::resize_file(file(), 5000);
  const std::string aside = care_for(url())->restore(made.place, kNow);
  EXPECT_EQ(count("SELECT balance FROM fg_credit_account"), 5000);
  EXPECT_EQ(fs::file_size(aside), 5000u);
}

TEST_F(BackupOfAFile, ThatIsDamagedOrNoneIsNotPutBack) {
  make_broken();
  const Backup made = care_for(url())->backup((folder_ / "backups").string(), kNow, {});
  fs::resize_file(made.place, 5000);
  const std::string before = bytes_of(file());
  EXPECT_THROW(care_for(url())->restore(made.place, kNow), CareFailure);
  EXPECT_THROW(care_for(url())->restore((folder_ / "none.db").string(), kNow), CareFailure);
  EXPECT_THROW(care_for(url())->restore(file().string(), kNow), CareFailure);
  EXPECT_EQ(bytes_of(file()), before);
}

TEST_F(BackupOfAFile, ThatIsOfSomethingElseIsNotPutBack) {
  make_broken();
  const fs::path other = folder_ / "other.db", old = folder_ / "old.db";
  const std::string before = bytes_of(file());
  const auto said = [&](const fs::path& backup) -> std::string {
    try {
      care_for(url())->restore(backup.string(), kNow);
      return "it was done";
    } catch (const CareFailure& failure) {
      EXPECT_NE(failure.text().zh, failure.text().en);
      return failure.what();
    }
  };
  std::ofstream(other).flush();
  EXPECT_NE(said(other).find("is no backup"), std::string::npos) << "an empty file: " << said(other);
  sqlite3_command(other, "CREATE TABLE x (a)");
  EXPECT_NE(said(other).find("is no backup"), std::string::npos) << said(other);
  EXPECT_EQ(bytes_of(file()), before);
  EXPECT_EQ(others(), 1u) << "the other database alone";

  open("sqlite:///" + old.string())->write_now([](Tx& tx) {
    for (const std::string& statement : test::seed_statements(FLUXGATE_SOURCE_DIR, "base", test::SeedDialect::sqlite)) tx.exec(statement);
  });
  EXPECT_EQ(said(old), "it was done") << "what could be taken over, from before the first repair";
}

TEST_F(BackupOfAFile, IsPutBackForWhomTheDatabaseWas) {
  make_broken();
  const Backup made = care_for(url())->backup((folder_ / "backups").string(), kNow, {});
  const bool root = ::geteuid() == 0;
  ASSERT_EQ(::chmod(file().c_str(), 0640), 0);
  if (root) {
    ASSERT_EQ(::chown(file().c_str(), 12345, 12346), 0);
  }
  care_for(url())->restore(made.place, kNow);
  struct stat info{};
  ASSERT_EQ(::stat(file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0640u);
  EXPECT_EQ(info.st_uid, root ? 12345u : ::geteuid());
  EXPECT_EQ(info.st_gid, root ? 12346u : ::getegid());
}

// ---- links ----

class LinkToAFile : public Folder {
 protected:
  void SetUp() override {
    Folder::SetUp();
    fs::create_directories(folder_ / "elsewhere");
    fs::create_symlink("../webui.db", link());
    fs::create_directory_symlink("elsewhere", folder_ / "door");
  }
  fs::path link() const { return folder_ / "elsewhere" / "webui.db"; }
};

TEST_F(LinkToAFile, IsServedByOneServerAlsoWhenTheFileIsStillToBeMade) {
  auto server = open("sqlite:///" + link().string(), {.exclusive_server = true});
  server->write_now([](Tx& tx) { create_missing(tx, 1); });
  EXPECT_TRUE(fs::is_regular_file(file()));
  for (const fs::path& name : {file(), link(), folder_ / "door" / "webui.db", folder_ / "elsewhere" / ".." / "webui.db"})
    EXPECT_THROW(open("sqlite:///" + name.string(), {.exclusive_server = true}), CareFailure) << name;
  EXPECT_FALSE(fs::exists(link().string() + ".lock"));
}

TEST_F(LinkToAFile, StaysOneWhenABackupIsPutBack) {
  make_broken();
  const Backup made = care_for(url())->backup((folder_ / "backups").string(), kNow, {});
  open(url())->write_now([](Tx& tx) { tx.exec("UPDATE fg_credit_account SET balance = 1"); });
  const std::string aside = care_for("sqlite:///" + link().string())->restore(made.place, kNow);
  EXPECT_TRUE(fs::is_symlink(link()));
  EXPECT_EQ(count("SELECT balance FROM fg_credit_account"), 5000);
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(aside))) << aside;
  std::int64_t kept = 0;
  care_for("sqlite:///" + aside)->read([&](Tx& tx) { kept = tx.number("SELECT balance FROM fg_credit_account"); });
  EXPECT_EQ(kept, 1);
}

TEST_F(BackupOfAFile, AndRestoresClearWhatAKilledOneLeft) {
  make_broken();
  const std::string folder = (folder_ / "backups").string();
  const Backup made = care_for(url())->backup(folder, kNow, {});
  const fs::path half = fs::path(folder) / "webui-20200101-000000.db.part", others_own = fs::path(folder) / "webui-my.db.partial";
  const fs::path restoring = file().string() + ".restoring";
  for (const fs::path& left : {half, others_own, restoring, fs::path(half.string() + "-journal"), fs::path(restoring.string() + "-journal")})
    std::ofstream(left) << "half";
  EXPECT_NO_THROW(care_for(url())->restore(made.place, kNow));
  EXPECT_FALSE(fs::exists(restoring));
  EXPECT_FALSE(fs::exists(restoring.string() + "-journal"));
  EXPECT_NO_THROW(care_for(url())->restore(made.place, kNow)) << "in the same second";
  care_for(url())->backup(folder, kNow, {});
  EXPECT_FALSE(fs::exists(half));
  EXPECT_FALSE(fs::exists(half.string() + "-journal"));
  EXPECT_TRUE(fs::exists(others_own));
}

TEST_F(BackupOfAFile, NeverReplacesAnother) {
  make_broken();
  const std::string folder = (folder_ / "backups").string();
  EXPECT_NE(care_for(url())->backup(folder, kNow, {}).place, care_for(url())->backup(folder, kNow, {}).place);
}

// ---- PostgreSQL ----

class OnPostgresql : public testing::Test {
 protected:
  void SetUp() override {
    url_ = test::PostgresServer::shared().new_database();
    database_ = open(url_, {.connections = 2});
    care_ = care_for(url_);
    write([](Tx& tx) {
      create_missing(tx, 1);
      tx.exec("INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ('ann', 5000, 0, 1, 1)");
    });
  }
  void write(const std::function<void(Tx&)>& closure) { database_->write_now([&](Tx& tx) { closure(tx); }); }
  std::int64_t count(const std::string& sql) {
    return database_->read_now([&](Tx& tx) { return tx.number(sql); });
  }

  std::string url_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Care> care_;
  const adopt::Options options_{.now = kNow, .data_dir = "/nonexistent"};
};

TEST_F(OnPostgresql, RepairCopiesTheTouchedTablesFirst) {
  write([](Tx& tx) {
    tx.exec("DROP VIEW credit");
    tx.exec("DROP INDEX fg_credit_entry_user");
    tx.exec("ALTER TABLE fg_credit_entry DROP COLUMN reason CASCADE");
  });
  const auto done = repair(*care_, options_, [](const Plan&) { return true; });
  ASSERT_TRUE(done.backup);
  EXPECT_EQ(done.backup->place, "fluxgate_backup_20251126_094000");
  EXPECT_EQ(done.backup->tables, 1);
  EXPECT_EQ(count("SELECT COUNT(*) FROM credit WHERE credit = 5"), 1);
  const auto again = repair(*care_, options_, [](const Plan&) { return true; });
  EXPECT_EQ(again.plan.state, State::ready);
  EXPECT_FALSE(again.backup);
}

TEST_F(OnPostgresql, ABackupIsPutBackWithKeysAndIndexes) {
  write([](Tx& tx) {
    tx.exec("CREATE TABLE counted_legacy (id SERIAL PRIMARY KEY, name TEXT UNIQUE)");
    tx.exec("INSERT INTO counted_legacy (name) VALUES ('one')");
    tx.exec("CREATE TABLE tool (id TEXT)");
  });
  const Backup made = care_->backup("", kNow, {});
  EXPECT_EQ(made.left_out, 1) << "what is Open WebUI's alone";
  write([](Tx& tx) {
    tx.exec("UPDATE fg_credit_account SET balance = 1");
    tx.exec("INSERT INTO counted_legacy (name) VALUES ('two')");
  });
  const std::string aside = care_->restore(made.place, kNow);
  database_ = open(url_, {.connections = 2});
  EXPECT_EQ(count("SELECT balance FROM fg_credit_account"), 5000);
  EXPECT_EQ(count("SELECT balance FROM " + aside + ".fg_credit_account"), 1);
  const auto left = database_->read_now([](Tx& tx) { return all_differences(look(tx), tx.dialect()).size(); });
  EXPECT_EQ(left, 0u) << "every table, index and view is there under its name";
  write([](Tx& tx) { tx.exec("INSERT INTO counted_legacy (name) VALUES ('three')"); });
  EXPECT_EQ(count("SELECT MAX(id) FROM counted_legacy"), 3) << "the counter went on with its table";
  EXPECT_THROW(write([](Tx& tx) { tx.exec("INSERT INTO counted_legacy (name) VALUES ('one')"); }), Failure);
  write([&](Tx& tx) { tx.exec("DROP SCHEMA " + aside + " CASCADE"); });
  write([](Tx& tx) { tx.exec("INSERT INTO counted_legacy (name) VALUES ('four')"); });
}

// A database of the fork, in the schema that is the session's own and in one whose name has capitals.
class OldOnPostgresql : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    url_ = test::PostgresServer::shared().new_database();
    if (const std::string schema = GetParam(); schema != "public") {
      open(url_, {.connections = 1})->write_now([&](Tx& tx) { tx.exec("CREATE SCHEMA " + quoted_name(schema)); });
      url_ += (url_.contains('?') ? "&" : "?") + std::string("options=-csearch_path%3D%22") + schema + "%22";
    }
    open(url_, {.connections = 1})->write_now([](Tx& tx) {
      for (const char* script : {"base", "credit", "media"})
        for (const std::string& statement : test::seed_statements(FLUXGATE_SOURCE_DIR, script, test::SeedDialect::postgresql)) tx.exec(statement);
    });
  }
  std::map<std::string, std::int64_t> rows() const {
    std::map<std::string, std::int64_t> counts;
    care_for(url_)->read([&](Tx& tx) {
      for (const std::string& table : table_names(tx)) counts[table] = tx.number("SELECT COUNT(*) FROM " + quoted_name(table));
    });
    return counts;
  }
  State state() const {
    State found = State::empty;
    care_for(url_)->read([&](Tx& tx) { found = make_plan(tx, options()).state; });
    return found;
  }
  adopt::Options options() const { return {.now = kNow, .sealer = &sealer_, .data_dir = "/nonexistent"}; }
  Backup repaired() const { return repair(*care_for(url_), options(), [](const Plan&) { return true; }).backup.value(); }
  std::string restored(const std::string& backup) const { return care_for(url_)->restore(backup, kNow); }

  std::string url_;
  const crypto::Sealer sealer_{std::string(32, 'k')};
};
INSTANTIATE_TEST_SUITE_P(Schemas, OldOnPostgresql, testing::Values("public", "Gate"), [](const auto& schema) { return std::string(schema.param); });

TEST_P(OldOnPostgresql, TheBackupOfItsRepairBringsAllOfItBack) {
  const auto before = rows();
  const Backup backup = repaired();
  EXPECT_NE(rows(), before);
  restored(backup.place);
  EXPECT_EQ(rows(), before) << "also what the repair did not touch";
}

TEST_P(OldOnPostgresql, GoingBackCanBeUndone) {
  const auto old = rows();
  const Backup first = repaired();
  const auto ours = rows();
  const Backup second = care_for(url_)->backup("", kNow, {});
  const std::string aside = restored(first.place);
  EXPECT_EQ(restored(aside), "fluxgate_before_restore_20251126_094000_2");
  EXPECT_EQ(rows(), ours) << "what was set aside";
  EXPECT_EQ(state(), State::ready);
  restored(first.place);
  EXPECT_EQ(rows(), old);
  restored(second.place);
  EXPECT_EQ(rows(), ours) << "what was backed up after the repair";
  EXPECT_EQ(state(), State::ready) << "every index and view is there under its name";
}

TEST_P(OldOnPostgresql, IsInABackupMadeBeforeAnyRepair) {
  const auto old = rows();
  const Backup backup = care_for(url_)->backup("", kNow, {});
  repaired();
  restored(backup.place);
  EXPECT_EQ(rows(), old);
}

TEST_F(OnPostgresql, KeysBetweenTablesLeadToWhatWasPutBack) {
  write([](Tx& tx) {
    tx.exec("INSERT INTO \"user\" (id, name, email, role, profile_image_url, created_at, updated_at, last_active_at) "
            "VALUES ('u', 'n', 'e', 'user', '', 1, 1, 1)");
    tx.exec("CREATE TABLE api_key (id TEXT PRIMARY KEY, user_id TEXT REFERENCES \"user\" (id) ON DELETE CASCADE)");
    tx.exec("INSERT INTO api_key VALUES ('k', 'u')");
  });
  const Backup made = care_->backup("", kNow, {});
  const std::string aside = care_->restore(made.place, kNow);
  database_ = open(url_, {.connections = 2});
  write([&](Tx& tx) { tx.exec("DROP SCHEMA " + aside + " CASCADE"); });
  EXPECT_THROW(write([](Tx& tx) { tx.exec("INSERT INTO api_key VALUES ('x', 'nobody')"); }), Failure);
  write([](Tx& tx) { tx.exec("DELETE FROM \"user\" WHERE id = 'u'"); });
  EXPECT_EQ(count("SELECT COUNT(*) FROM api_key"), 0) << "it went with its user";
}

// What repair says when it is not done.
std::string refusal(Care& care, const adopt::Options& options) {
  try {
    repair(care, options, [](const Plan&) { return true; });
    return "it was done";
  } catch (const CareFailure& failure) {
    EXPECT_NE(failure.text().zh, failure.text().en);
    return failure.what();
  }
}

TEST_F(OnPostgresql, WhoIsInTheWayIsNamed) {
  write([](Tx& tx) { tx.exec("DROP INDEX fg_task_history"); });
  PgConnection other(parse_postgres_url(url_ + "&application_name=visitor", true), {});
  repair(*care_, options_, [](const Plan& plan) {
    EXPECT_NE(plan.lines.front().text.en.find("Others are connected to this database: visitor (1 session)."), std::string::npos);
    return false;
  });
  other.command("BEGIN");
  other.command("LOCK TABLE fg_task");
  const std::string said = refusal(*care_, options_);
  EXPECT_NE(said.find(fmt::format("locked by another program: visitor (pid {})", other.backend())), std::string::npos) << said;
  other.command("ROLLBACK");
  EXPECT_EQ(refusal(*care_, options_), "it was done");
}

TEST_F(OnPostgresql, WhatTheUserMayNotIsExplained) {
  write([](Tx& tx) {
    tx.exec("DROP VIEW credit");
    tx.exec("DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'reader') THEN CREATE ROLE reader LOGIN; END IF; END $$");
    tx.exec("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader");
  });
  auto care = care_for(url_ + "&user=reader");
  const std::string said = refusal(*care, options_);
  EXPECT_NE(said.find("allows the user of DATABASE_URL too little: permission denied for"), std::string::npos) << said;
  EXPECT_NE(said.find("GRANT CREATE ON DATABASE"), std::string::npos) << said;
  EXPECT_EQ(said.find("CREATE SCHEMA \""), std::string::npos) << "not the statement";
}

TEST_F(OnPostgresql, AStandbyIsLookedAtAndNotRepaired) {
  write([](Tx& tx) { tx.exec("DROP VIEW credit"); });
  // As a standby says of itself.
  auto care = care_for(url_ + "&options=-cdefault_transaction_read_only%3Don");
  State state = State::empty;
  care->read([&](Tx& tx) { state = make_plan(tx, options_).state; });
  EXPECT_EQ(state, State::needs_repair);
  const std::string said = refusal(*care, options_);
  EXPECT_NE(said.find("read-only"), std::string::npos) << said;
  EXPECT_NE(said.find("Name the primary"), std::string::npos) << said;
}

TEST_F(OnPostgresql, OfTwoRepairsAtOnceOneWaitsAndFindsItDone) {
  write([](Tx& tx) { tx.exec("DROP VIEW credit"); });
  std::atomic<int> planned{0};
  std::array<Repaired, 2> done;
  {
    std::array<std::jthread, 2> both;
    for (std::size_t i = 0; i < both.size(); ++i)
      both[i] = std::jthread([&, i] {
        done[i] = repair(*care_for(url_), options_, [&planned](const Plan& plan) {
          ++planned;
          while (planned < 2) std::this_thread::yield();  // both have seen what is missing
          return plan.possible();
        });
      });
  }
  EXPECT_EQ(done[0].backup.has_value() + done[1].backup.has_value(), 1);
  EXPECT_EQ(count("SELECT COUNT(*) FROM credit WHERE credit = 5"), 1);
}

TEST_F(OnPostgresql, ABackupIsNotPutBackUnderRunningNodesNorFromAnywhere) {
  const Backup made = care_->backup("", kNow, {});
  write([](Tx& tx) { tx.exec("INSERT INTO fg_node (id, lease_until, started_at) VALUES ('n', 9000000000000, 1)"); });
  EXPECT_THROW(care_->restore(made.place, kNow), CareFailure);
  EXPECT_THROW(care_->restore("public", kNow), CareFailure);
  write([](Tx& tx) { tx.exec("DELETE FROM fg_node"); });
  EXPECT_NO_THROW(care_->restore(made.place, kNow));
}

TEST_F(OnPostgresql, WithoutRoomARepairChangesNothing) {
  const fs::path place = fs::temp_directory_path() / ("fluxgate-care-" + new_id());
  {
    const SmallDisk disk(place);
    if (!disk.mounted()) GTEST_SKIP() << "only root can mount a small disk";
    const passwd* owner = ::getpwnam("postgres");
    ASSERT_NE(owner, nullptr);
    const fs::path folder = place / "tables";
    fs::create_directory(folder);
    ASSERT_EQ(::chown(folder.c_str(), owner->pw_uid, owner->pw_gid), 0);
    const auto command = [&](const std::string& sql) { PgConnection(parse_postgres_url(url_, true), {}).command(sql.c_str()); };
    command(fmt::format("CREATE TABLESPACE small LOCATION '{}'", folder.string()));
    command("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_tablespace = small', current_database()); END $$");
    write([](Tx& tx) {
      tx.exec("DROP VIEW credit");
      tx.exec("DROP TABLE fg_alert");
    });
    disk.fill();
    const auto refused = [&]() -> std::string {
      try {
        repair(*care_for(url_), options_, [](const Plan&) { return true; });
        return "it was done";
      } catch (const Failure& failure) {
        return failure.what();
      }
    }();
    EXPECT_NE(refused.find("No space left on device"), std::string::npos) << refused;
    EXPECT_EQ(database_->read_now([](Tx& tx) { return kind_of(tx, "credit") == Kind::none && kind_of(tx, "fg_alert") == Kind::none; }), true);
    fs::remove(disk.filler());
    auto later = options_;
    later.now += 1'000;  // the first one's backup stands
    repair(*care_for(url_), later, [](const Plan&) { return true; });
    EXPECT_EQ(count("SELECT COUNT(*) FROM credit WHERE credit = 5"), 1) << "with room it is done";
    command("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_tablespace', current_database()); END $$");
    command("DROP TABLE fg_alert CASCADE");
    command("DROP TABLESPACE small");
  }
  fs::remove_all(place);
}

TEST_F(OnPostgresql, ANewerDatabaseIsRefused) {
  write([](Tx& tx) { tx.exec("INSERT INTO fg_migration (version, applied_at) VALUES (99, 1)"); });
  EXPECT_THROW(repair(*care_, options_, [](const Plan&) { return true; }), CareFailure);
}

}  // namespace
}  // namespace fluxgate::db

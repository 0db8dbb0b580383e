// Repairs, backups and restores of real files. refused_repair_test.cpp: what is refused without changing a byte;
// postgresql_care_test.cpp: databases on a server.
#include "care_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include "db/introspect.h"
#include "db/sqlite_lock.h"
#include "support/mounts.h"
#include "support/seed_database.h"
#include "test_paths.h"

namespace fluxgate::db {
namespace {

// ---- repair ----

class RepairOfAFile : public CareFolder {};

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
  add_pages(file());
  const fs::path journal = die_in_the_middle(file());
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

TEST_F(RepairOfAFile, UndoesThatInTheFileWhereTheDiskHasNoRoomForACopy) {
  make_broken();
  add_pages(file());
  const std::string before = bytes_of(file());
  const test::SmallDisk disk(folder_ / "disk");
  if (!disk.mounted()) GTEST_SKIP() << "only root can mount a small disk";
  const fs::path there = folder_ / "disk" / "webui.db";
  fs::copy_file(file(), there);
  const fs::path journal = die_in_the_middle(there);
  EXPECT_TRUE(bytes_of(there) != before);
  disk.fill();
  const auto planned = repair(*care_for("sqlite:///" + there.string()), options(), [](const Plan&) { return false; });
  EXPECT_EQ(planned.plan.state, State::needs_repair);
  EXPECT_NE(planned.plan.lines.front().text.en.find("no room for a copy"), std::string::npos) << planned.plan.lines.front().text.en;
  EXPECT_TRUE(bytes_of(there) == before);
  EXPECT_FALSE(fs::exists(journal));
}

TEST_F(RepairOfAFile, IsLookedAtWhereNothingCanBeWritten) {
  const fs::path folder = folder_ / "a folder #1?", place = folder_ / "view";
  fs::create_directories(folder);
  const std::string named = "sqlite:///" + (folder / "webui.db").string(), seen = "sqlite:///" + (place / "webui.db").string();
  auto server = open(named);
  server->write_now([](Tx& tx) { create_missing(tx, 1); });
  const test::ReadOnlyView view(folder, place);
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
  try {
    open(seen)->write_now([](Tx& tx) { tx.exec("DELETE FROM fg_migration"); });
    FAIL() << "it was changed";
  } catch (const Failure& failure) {
    const Text text = told(failure);
    EXPECT_NE(text.zh, text.en) << "in words, not in SQLite's";
    EXPECT_NE(text.en.find((place / "webui.db").string()), std::string::npos) << text.en;
  }
}

// ---- backup and restore ----

class BackupOfAFile : public CareFolder {};

TEST_F(BackupOfAFile, IsTakenBesideAServerAndPutBack) {
  make_broken();
  Backup made;
  {
    auto server = open(url(), {.exclusive_server = true});
    made = care_for(url())->backup((folder_ / "backups").string(), kNow);
    server->write_now([](Tx& tx) { tx.exec("UPDATE fg_credit_account SET balance = 1"); });
    EXPECT_THROW(care_for(url())->restore(made.place, kNow), Failure) << "not under a running server";
  }
  const std::string aside = care_for(url())->restore(made.place, kNow).aside;
  EXPECT_EQ(count("SELECT balance FROM fg_credit_account"), 5000);
  EXPECT_EQ(fs::path(aside), file().string() + ".before-restore-20251126-094000");
  std::int64_t kept = 0;
  care_for("sqlite:///" + aside)->read([&](Tx& tx) { kept = tx.number("SELECT balance FROM fg_credit_account"); });
  EXPECT_EQ(kept, 1);
  EXPECT_TRUE(fs::exists(made.place)) << "the backup stays";
}

TEST_F(BackupOfAFile, ReplacesADamagedDatabase) {
  make_broken();
  const Backup made = care_for(url())->backup((folder_ / "backups").string(), kNow);
  fs::resize_file(file(), 5000);
  const std::string aside = care_for(url())->restore(made.place, kNow).aside;
  EXPECT_EQ(count("SELECT balance FROM fg_credit_account"), 5000);
  EXPECT_EQ(fs::file_size(aside), 5000u);
}

TEST_F(BackupOfAFile, ThatIsDamagedOrNoneIsNotPutBack) {
  make_broken();
  const Backup made = care_for(url())->backup((folder_ / "backups").string(), kNow);
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
  const Backup made = care_for(url())->backup((folder_ / "backups").string(), kNow);
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

class LinkToAFile : public CareFolder {
 protected:
  void SetUp() override {
    CareFolder::SetUp();
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
  const Backup made = care_for(url())->backup((folder_ / "backups").string(), kNow);
  open(url())->write_now([](Tx& tx) { tx.exec("UPDATE fg_credit_account SET balance = 1"); });
  const std::string aside = care_for("sqlite:///" + link().string())->restore(made.place, kNow).aside;
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
  const Backup made = care_for(url())->backup(folder, kNow);
  const fs::path half = fs::path(folder) / "webui-20200101-000000.db.part", others_own = fs::path(folder) / "webui-my.db.partial";
  const fs::path restoring = file().string() + ".restoring";
  for (const fs::path& left : {half, others_own, restoring, fs::path(half.string() + "-journal"), fs::path(restoring.string() + "-journal")})
    std::ofstream(left) << "half";
  EXPECT_NO_THROW(care_for(url())->restore(made.place, kNow));
  EXPECT_FALSE(fs::exists(restoring));
  EXPECT_FALSE(fs::exists(restoring.string() + "-journal"));
  EXPECT_NO_THROW(care_for(url())->restore(made.place, kNow)) << "in the same second";
  care_for(url())->backup(folder, kNow);
  EXPECT_FALSE(fs::exists(half));
  EXPECT_FALSE(fs::exists(half.string() + "-journal"));
  EXPECT_TRUE(fs::exists(others_own));
}

TEST_F(BackupOfAFile, NeverReplacesAnother) {
  make_broken();
  const std::string folder = (folder_ / "backups").string();
  EXPECT_NE(care_for(url())->backup(folder, kNow).place, care_for(url())->backup(folder, kNow).place);
}

}  // namespace
}  // namespace fluxgate::db

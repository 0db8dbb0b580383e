// What a repair of a file refuses, without changing a byte of it. care_test.cpp: what it does.
#include "care_folder.h"

#include "base/crypto.h"
#include "db/sqlite_lock.h"
#include "support/mounts.h"
#include "support/seed_database.h"
#include "test_paths.h"

namespace fluxgate::db {
namespace {

class RefusedRepair : public CareFolder {
 protected:
  void expect_refusal(const std::string& words) {
    const std::string before = bytes_of(file());
    const std::string said = refusal_of_repair();
    EXPECT_NE(said.find(words), std::string::npos) << said;
    EXPECT_EQ(bytes_of(file()), before) << "not one byte";
    EXPECT_EQ(others(), 0u) << "nothing is left lying about";
    EXPECT_EQ(backups(), 0) << "nor a backup of what was not changed";
  }
  std::ptrdiff_t backups() const {
    std::error_code none;
    return std::ranges::count_if(fs::directory_iterator(folder_ / "backups", none), [](const auto& entry) { return entry.is_regular_file(); });
  }
  void make_plain() {
    make_broken();
    sqlite3_command(file(), "PRAGMA journal_mode = DELETE");
  }
  // Holds its lock until its input ends.
  class OtherProgram {
   public:
    OtherProgram(const RefusedRepair& test, const std::string& sql)
        : answer_(test.folder_.string() + ".answer"), program_(::popen(("sqlite3 '" + test.file().string() + "' >'" + answer_.string() + "'").c_str(), "w")) {
      std::fputs((sql + "\nSELECT 'locked';\n").c_str(), program_);
      std::fflush(program_);
      while (bytes_of(answer_).find("locked") == std::string::npos) {
      }
    }
    ~OtherProgram() {
      ::pclose(program_);
      fs::remove(answer_);
    }
    OtherProgram(const OtherProgram&) = delete;

   private:
    const fs::path answer_;
    std::FILE* program_;
  };
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

// Every page of it is sound, and whoever asks by the index never hears of the row.
TEST_F(RefusedRepair, AnIndexThatLacksARow) {
  open(url())->write_now([](Tx& tx) {
    for (const char* script : {"base", "credit"})
      for (const std::string& statement : test::seed_statements(FLUXGATE_SOURCE_DIR, script, test::SeedDialect::sqlite)) tx.exec(statement);
  });
  sqlite3_command(file(), "PRAGMA journal_mode = DELETE");
  const std::string index = "name = 'ix_credit_log_user_id'";
  const auto script = [&](const std::string& sql) {
    const fs::path words = folder_.string() + ".sql";
    std::ofstream(words) << ".dbconfig defensive off\nPRAGMA writable_schema = ON;\n" << sql;
    EXPECT_EQ(std::system(("sqlite3 -bail '" + file().string() + "' < '" + words.string() + "' >/dev/null").c_str()), 0) << sql;
    fs::remove(words);
  };
  script("CREATE TABLE kept AS SELECT * FROM sqlite_master WHERE " + index + "; DELETE FROM sqlite_master WHERE " + index + ";");
  script("INSERT INTO credit_log (id, user_id, credit, created_at) VALUES ('lost', 'somebody', 1, 1);");
  script("INSERT INTO sqlite_master SELECT * FROM kept;");
  sqlite3_command(file(), "DROP TABLE kept");
  expect_refusal("missing from index ix_credit_log_user_id");
  EXPECT_THROW(care_for(url())->examine_indexes(), CareFailure) << "as db check asks";
  sqlite3_command(file(), "REINDEX");
  const crypto::Sealer sealer{std::string(32, 'k')};
  auto with_key = options();
  with_key.sealer = &sealer;
  EXPECT_TRUE(repair(*care_for(url()), with_key, yes).backup) << "what it says helps";
  EXPECT_EQ(count("SELECT COUNT(*) FROM credit_log WHERE user_id = 'somebody' AND credit = 1"), 1);
}

TEST_F(RefusedRepair, LockedByAnotherProcess) {
  make_plain();
  const OtherProgram other(*this, "BEGIN EXCLUSIVE;");
  expect_refusal("is locked by another program");
}

TEST_F(RefusedRepair, ReadByAnotherProcess) {
  make_plain();
  {
    const OtherProgram other(*this, "BEGIN; SELECT COUNT(*) FROM fg_task;");
    expect_refusal("is locked by another program");
  }
  EXPECT_EQ(refusal_of_repair(), "it was done");
  EXPECT_EQ(backups(), 1);
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

TEST_F(RefusedRepair, OutOfDisk) {
  make_plain();
  const test::SmallDisk disk(folder_ / "disk");
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

// Unlike the above of pages that were on the disk when it was full.
TEST_F(RefusedRepair, OutOfDiskInTheMiddle) {
  make_plain();
  const test::SmallDisk disk(folder_ / "disk");
  if (!disk.mounted()) GTEST_SKIP() << "only root can mount a small disk";
  const fs::path there = folder_ / "disk" / "webui.db";
  fs::copy_file(file(), there);
  add_pages(there);
  const std::string before = bytes_of(there);
  std::string during;
  const auto care = care_for("sqlite:///" + there.string());
  const auto grow = [&](Tx& tx) {
    tx.exec("PRAGMA cache_size = 1");
    tx.exec("UPDATE pages SET n = -n");
    during = bytes_of(there);
    tx.exec("INSERT INTO pages SELECT n, text || text FROM pages");
    tx.exec("INSERT INTO pages SELECT n, text || text FROM pages");
  };
  try {
    care->change_after_backup((folder_ / "backups").string(), kNow, {}, grow);
    FAIL() << "it was done";
  } catch (const CareFailure& failure) {
    EXPECT_NE(failure.text().en.find("full. Nothing was changed."), std::string::npos) << failure.text().en;
  }
  EXPECT_TRUE(during != before) << "this is of a write whose pages are in the file already";
  EXPECT_TRUE(bytes_of(there) == before);
  EXPECT_FALSE(fs::exists(there.string() + "-journal"));
  EXPECT_EQ(backups(), 0);
}

TEST_F(RefusedRepair, ThatCannotBeUndoneSaysSoAndKeepsTheBackup) {
  make_plain();
  const auto away = [this](Tx&) {
    fs::rename(file(), folder_ / "away");
    fs::create_directory(file());
    throw Failure("stopped");
  };
  try {
    care_for(url())->change_after_backup((folder_ / "backups").string(), kNow, {}, away);
    FAIL() << "it was done";
  } catch (const CareFailure& failure) {
    EXPECT_NE(failure.text().en.find("could not be undone"), std::string::npos) << failure.text().en;
    EXPECT_NE(failure.text().en.find("It began so: stopped"), std::string::npos) << failure.text().en;
    EXPECT_NE(failure.text().zh.find("备份为 " + (folder_ / "backups").string()), std::string::npos) << failure.text().zh;
  }
  EXPECT_EQ(backups(), 1);
}

}  // namespace
}  // namespace fluxgate::db

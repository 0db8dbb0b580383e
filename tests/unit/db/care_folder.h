// A folder with a database of ours in a file, for the tests of its care.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "base/ids.h"
#include "db/repair.h"
#include "db/schema.h"

namespace fluxgate::db {

namespace fs = std::filesystem;
inline constexpr Millis kNow = 1764150000000;

inline std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// As Open WebUI has its file, and so that its bytes are all of it: without a log beside it.
inline void sqlite3_command(const fs::path& file, const std::string& sql) {
  const std::string command = "sqlite3 '" + file.string() + "' '" + sql + "' >/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

class CareFolder : public testing::Test {
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

// 800 KB of pages in the table `pages`, whose numbers are above 0.
inline void add_pages(const fs::path& file) {
  sqlite3_command(file, "PRAGMA journal_mode = DELETE");
  sqlite3_command(file, "CREATE TABLE pages (n INTEGER, text TEXT); INSERT INTO pages SELECT value, hex(zeroblob(2000)) FROM "
                        "generate_series(1, 200)");
}

// A program that dies in a transaction whose pages did not fit its memory. Returns the journal.
inline fs::path die_in_the_middle(const fs::path& file) {
  const std::string dies = "printf 'PRAGMA cache_size = 1;\nBEGIN;\nUPDATE pages SET n = -n;\n.shell kill -9 $PPID\n' | sqlite3 '" +
                           file.string() + "' >/dev/null 2>&1";
  EXPECT_NE(std::system(dies.c_str()), 0);
  const fs::path journal = file.string() + "-journal";
  EXPECT_TRUE(fs::exists(journal));
  return journal;
}

}  // namespace fluxgate::db

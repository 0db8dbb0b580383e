// An old database of tests/fixtures/seed on either engine, and what its takeover says and does.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/crypto.h"
#include "base/ids.h"
#include "db/adopt/adopt.h"
#include "db/introspect.h"
#include "db/repair.h"
#include "db/schema.h"
#include "support/postgres_server.h"
#include "support/seed_database.h"
#include "test_paths.h"

namespace fluxgate::db::adopt {

using test::SeedVariant;

inline constexpr Millis kNow = 1'756'123'200'000;  // 2025-08-25 12:00 UTC

class OldDatabase {
 public:
  OldDatabase(Dialect dialect, const SeedVariant& variant) {
    folder_ = std::filesystem::temp_directory_path() / ("fluxgate-adopt-" + new_id());
    std::filesystem::create_directories(folder_);
    database_ = open(dialect == Dialect::sqlite ? "sqlite:///" + (folder_ / "webui.db").string()
                                                : test::PostgresServer::shared().new_database());
    const auto words = dialect == Dialect::sqlite ? test::SeedDialect::sqlite : test::SeedDialect::postgresql;
    run(test::seed_statements(FLUXGATE_SOURCE_DIR, variant, words));
  }
  ~OldDatabase() {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  OldDatabase(const OldDatabase&) = delete;

  void run(const std::vector<std::string>& statements) {
    database_->write_now([&](Tx& tx) {
      for (const std::string& statement : statements) tx.exec(statement);
    });
  }
  void run(const std::string& statement) { run(std::vector{statement}); }
  void make_views() {
    database_->write_now([](Tx& tx) { create_views(tx); });
  }

  bool needed() {
    return database_->read_now([](Tx& tx) { return adopt::needed(tx); });
  }
  Lines plan() {
    return database_->read_now([this](Tx& tx) { return adopt::plan(tx, options); });
  }
  Plan whole_plan() {
    return database_->read_now([this](Tx& tx) { return make_plan(tx, options); });
  }
  // As db repair does it.
  Lines take_over() {
    return database_->write_now([this](Tx& tx) {
      set_aside(tx, options);
      create_missing(tx, options.now);
      return carry_over(tx, options);
    });
  }

  Owed owed() {
    return database_->read_now([](Tx& tx) { return adopt::owed(tx); });
  }
  Lines give_back() {
    return database_->write_now([this](Tx& tx) { return adopt::give_back(tx, options.now); });
  }

  std::int64_t number(const std::string& sql) {
    return database_->read_now([&](Tx& tx) { return tx.number(sql); });
  }
  std::string text(const std::string& sql) {
    return database_->read_now([&](Tx& tx) {
      return tx.first(sql, {}, [](const Row& row) { return row.maybe_str(0); }).value_or(std::nullopt).value_or("(none)");
    });
  }
  std::map<std::string, std::int64_t> counts() {
    return database_->read_now([](Tx& tx) {
      std::map<std::string, std::int64_t> rows;
      for (const std::string& table : table_names(tx)) rows[table] = tx.number("SELECT COUNT(*) FROM " + db::quoted_name(table));
      return rows;
    });
  }
  Kind kind(const std::string& name) {
    return database_->read_now([&](Tx& tx) { return kind_of(tx, name); });
  }

  const crypto::Sealer sealer{std::string(32, 'k')};
  Options options{.now = kNow, .sealer = &sealer};

 private:
  std::filesystem::path folder_;
  std::unique_ptr<Database> database_;
};

inline std::string said(const Lines& lines) {
  std::string all;
  for (const Line& line : lines) all += fmt::format("{}: {}\n", line.table, line.text.en);
  return all;
}

inline void expect_books_in_order(OldDatabase& old) {
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_account a WHERE a.balance <> COALESCE((SELECT SUM(e.amount) FROM fg_credit_entry e "
                       "WHERE e.user_id = a.user_id), 0)"), 0);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_credit_entry WHERE kind IN ('hold', 'release')"), 0);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_user_counter c WHERE c.n <> (SELECT COUNT(*) FROM fg_task t WHERE t.user_id = c.user_id "
                       "AND t.provider = c.provider AND t.status = c.status)"), 0);
  EXPECT_EQ(old.number("SELECT COALESCE(SUM(n), 0) FROM fg_user_counter"), old.number("SELECT COUNT(*) FROM fg_task"));
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM fg_task_file f WHERE NOT EXISTS (SELECT 1 FROM generated_files g WHERE g.id = f.file_id)"), 0);
  EXPECT_EQ(old.number("SELECT COUNT(*) FROM \"user\" u WHERE NOT EXISTS (SELECT 1 FROM fg_credit_account a WHERE a.user_id = u.id)"), 0);
}

inline std::string task_field(OldDatabase& old, std::string_view legacy_id, std::string_view column) {
  return old.text(fmt::format("SELECT CAST({} AS TEXT) FROM fg_task WHERE legacy_id = '{}'", column, legacy_id));
}

// What a plan and a report say of how many rows of a table are taken over: "credit 6 → 5".
inline std::string promises(const Lines& lines) {
  std::map<std::string, std::string> all;
  for (const Line& line : lines)
    if (line.rows_in != 0) all[line.table.substr(0, line.table.find("_legacy"))] = fmt::format("{} → {}", line.rows_in, line.rows_out);
  std::string text;
  for (const auto& [table, rows] : all)
    if (table.starts_with("credit") || table.ends_with("_tasks") || table == "redemption_code" || table == "trade_ticket")
      text += fmt::format("{} {}\n", table, rows);
  return text;
}

}  // namespace fluxgate::db::adopt

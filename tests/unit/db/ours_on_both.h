// A database that has all it should and nothing in it, on either engine, to be spoilt.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/ids.h"
#include "db/repair.h"
#include "db/schema.h"
#include "support/postgres_server.h"

namespace fluxgate::db {

class OursOnBoth : public testing::TestWithParam<Dialect> {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_);
    database_ = open(sqlite() ? "sqlite:///" + (folder_ / "test.db").string() : test::PostgresServer::shared().new_database(), {.connections = 2});
    database_->write_now([](Tx& tx) { create_missing(tx, 1); });
  }
  void TearDown() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  static bool sqlite() { return GetParam() == Dialect::sqlite; }
  void run(const std::vector<std::string>& statements) {
    database_->write_now([&](Tx& tx) {
      for (const std::string& statement : statements) tx.exec(statement);
    });
  }
  Plan plan() {
    return database_->read_now([](Tx& tx) { return make_plan(tx, {}); });
  }

  const std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("fluxgate-db-" + new_id());
  std::unique_ptr<Database> database_;
};

}  // namespace fluxgate::db

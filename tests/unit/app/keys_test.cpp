#include "app/keys.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/crypto.h"
#include "base/ids.h"
#include "db/schema.h"
#include "identity/secrets.h"

namespace fluxgate::app {
namespace {

class Keys : public testing::Test {
 protected:
  void SetUp() override {
    crypto::initialise();
    std::filesystem::create_directories(folder_ / "files");
    config_.data_dir = folder_.string();
    database_->write_now([](db::Tx& tx) { db::create_missing(tx, 1); });
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void database_knows(const std::string& marker) {
    database_->write_now([&](db::Tx& tx) {
      tx.exec("INSERT INTO fg_once (name, value, created_at) VALUES ('files.folder', $1, 1)", {marker});
    });
  }
  void a_file_is_stored() {
    database_->write_now([](db::Tx& tx) { tx.exec("INSERT INTO fg_file_object (key, size, refs, place) VALUES ('ab/cd/a.png', 1, 1, 'local')"); });
  }
  void a_key_is_sealed() {
    database_->write_now([](db::Tx& tx) {
      tx.exec("INSERT INTO fg_upstream_account (id, provider, name, base_url, sealed_key, enabled, created_at, updated_at, rev) VALUES "
              "('a', 'flux', 'a', 'http://a', 'sealed', 1, 1, 1, 1)");
    });
  }
  void expect_refused(Result<std::string> (*ask)(const Config&, db::Database&), std::string_view file, std::string_view variable) {
    const auto refused = ask(config_, *database_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), "key_not_here");
    for (std::string_view said : {variable, file, std::string_view(config_.data_dir)})
      EXPECT_NE(refused.error().message().en.find(said), std::string::npos) << refused.error().message().en;
    EXPECT_FALSE(kept(file));
  }
  bool kept(std::string_view file) { return std::filesystem::exists(folder_ / file); }

  const std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("fluxgate-keys-" + new_id());
  std::unique_ptr<db::Database> database_ = db::open(":memory:");
  Config config_;
};

TEST_F(Keys, AreMadeInTheFolderThatTheDatabaseKnowsAndWhereNothingIsStored) {
  database_knows("one");
  EXPECT_TRUE(master_key(config_, *database_)) << "nothing is stored yet";
  EXPECT_TRUE(kept(identity::kMasterKeyFile));
  a_file_is_stored();
  std::ofstream(folder_ / "files/folder-id") << "one\n";
  EXPECT_TRUE(session_secret(config_, *database_));
  EXPECT_TRUE(kept(identity::kSecretKeyFile));
}

TEST_F(Keys, OfAnotherFolderAreNotMadeButTakenAsTheyAreGivenOrKept) {
  database_knows("one");
  a_file_is_stored();
  expect_refused(master_key, identity::kMasterKeyFile, "FLUXGATE_MASTER_KEY");
  expect_refused(session_secret, identity::kSecretKeyFile, "WEBUI_SECRET_KEY");
  config_.master_key = config_.secret_key = std::string(64, 'a');
  EXPECT_TRUE(master_key(config_, *database_));
  EXPECT_TRUE(session_secret(config_, *database_));
  config_.master_key = config_.secret_key = "";
  std::ofstream(folder_ / identity::kMasterKeyFile) << std::string(64, 'b') << '\n';
  EXPECT_TRUE(master_key(config_, *database_));
}

TEST_F(Keys, ThatSealedSomethingAreNotReplacedInAnyFolder) {
  a_key_is_sealed();
  expect_refused(master_key, identity::kMasterKeyFile, "FLUXGATE_MASTER_KEY");
  database_knows("one");
  std::ofstream(folder_ / "files/folder-id") << "one\n";
  expect_refused(master_key, identity::kMasterKeyFile, "FLUXGATE_MASTER_KEY");
  EXPECT_TRUE(session_secret(config_, *database_)) << "it seals nothing";
}

}  // namespace
}  // namespace fluxgate::app

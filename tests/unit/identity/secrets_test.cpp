#include "identity/secrets.h"

#include <sys/stat.h>

#include <fstream>
#include <set>
#include <thread>

#include "support.h"

namespace fluxgate::identity {
namespace {

class Secrets : public testing::Test {
 protected:
  void SetUp() override {
    crypto::initialise();
    folder_ = std::filesystem::temp_directory_path() / ("fluxgate-secrets-" + new_id());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void keep(std::string_view name, const std::string& text) {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / name) << text;
  }
  std::filesystem::path folder_;
};

TEST_F(Secrets, AreMadeOnceAndKept) {
  const auto first = session_secret("", folder_);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->size(), 64u);
  EXPECT_EQ(session_secret("", folder_), *first);
  struct stat info{};
  ASSERT_EQ(::stat((folder_ / kSecretKeyFile).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto key = master_key("", folder_);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->size(), 32u);
  EXPECT_EQ(master_key("", folder_), *key);
}

TEST_F(Secrets, OfManyProcessesStartingAtOnceAreOne) {
  std::vector<std::string> seen(16);
  {
    std::vector<std::jthread> starters;
    for (auto& secret : seen) starters.emplace_back([&] { secret = *session_secret("", folder_); });
  }
  EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 1u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);  // no drafts left
}

TEST_F(Secrets, GivenByTheOperatorMakeNoFile) {
  EXPECT_EQ(session_secret("a secret of the operator", folder_), "a secret of the operator");
  EXPECT_TRUE(master_key(std::string(64, 'a'), folder_));
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(Secrets, ThatEveryoneKnowsAreRefused) {
  EXPECT_EQ(session_secret("t0p-s3cr3t", folder_).error().code(), "secret_is_public");
  keep(kSecretKeyFile, "t0p-s3cr3t\n");
  EXPECT_EQ(session_secret("", folder_).error().code(), "secret_is_public");
}

TEST_F(Secrets, KeptByOpenWebUiAreUsed) {
  keep(kSecretKeyFile, "b2xkLXNlY3JldA==\n");
  EXPECT_EQ(session_secret("", folder_), "b2xkLXNlY3JldA==");
}

TEST_F(Secrets, InAnEmptyFileAreAnErrorNotANewSecret) {
  keep(kMasterKeyFile, "");
  EXPECT_EQ(master_key("", folder_).error().code(), "secret_file");
}

TEST_F(Secrets, OfThirtyTwoBytesAreReadInEitherForm) {
  const std::string bytes = crypto::random_bytes(32);
  EXPECT_EQ(master_key(crypto::hex({reinterpret_cast<const unsigned char*>(bytes.data()), 32}), folder_),
            bytes);
  EXPECT_EQ(master_key(crypto::base64(bytes), folder_), bytes);
  EXPECT_EQ(master_key(crypto::base64url(bytes), folder_), bytes);
}

TEST_F(Secrets, CanBeAPassphraseButNotAKeyCutShort) {
  const auto key = master_key("correct horse battery staple", folder_);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->size(), 32u);
  EXPECT_EQ(master_key("correct horse battery staple", folder_), *key);
  EXPECT_NE(master_key("correct horse battery stapler", folder_), *key);
  EXPECT_EQ(master_key("too short", folder_).error().code(), "master_key_form");
  EXPECT_EQ(master_key(std::string(63, 'a'), folder_).error().code(), "master_key_form");
}

TEST_F(Secrets, ThatCannotBeWrittenSayWhere) {
  const auto secret = session_secret("", "/proc/nowhere");
  ASSERT_FALSE(secret);
  EXPECT_NE(secret.error().message().en.find("/proc/nowhere"), std::string::npos);
}

}  // namespace
}  // namespace fluxgate::identity

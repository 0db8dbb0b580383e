#include "identity/passwords.h"

#include "identity/input.h"
#include "support.h"

namespace fluxgate::identity {
namespace {

struct Passwords : testing::Test {
  void SetUp() override { crypto::initialise(); }
};

TEST_F(Passwords, OfTheRightLengthAreTakenWhateverTheyContain) {
  EXPECT_TRUE(check_password("12345678", "password"));
  EXPECT_TRUE(check_password(std::string(256, 'x'), "password"));
  EXPECT_FALSE(check_password("1234567", "password"));
  EXPECT_FALSE(check_password(std::string(257, 'x'), "password"));
}

TEST_F(Passwords, AreMeasuredInCharactersNotBytes) {
  EXPECT_FALSE(check_password("密码密码密码密", "password"));  // 7 characters, 21 bytes
  EXPECT_TRUE(check_password("密码密码密码密码", "password"));
  std::string widest;
  for (int i = 0; i < 256; ++i) widest += "\xF0\x9F\x94\x91";
  EXPECT_TRUE(check_password(widest, "password"));
}

TEST_F(Passwords, AreNeverEchoedInARefusal) {
  const auto refused = check_password("secret", "password");
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().fields().front().input.is_null());
  EXPECT_EQ(refused.error().fields().front().context.at("min_length"), 8);
}

TEST_F(Passwords, ThatBcryptWouldCutAreRefusedWhereItIsUsed) {
  EXPECT_TRUE(check_password(std::string(72, 'x'), "password", kBcryptBytesMax));
  EXPECT_FALSE(check_password(std::string(73, 'x'), "password", kBcryptBytesMax));
}

TEST_F(Passwords, HashedWithArgon2idVerifyAndNothingElseDoes) {
  const std::string hash = hash_password("correct horse", HashScheme::argon2id, cheap_hashes());
  EXPECT_TRUE(hash.starts_with("$argon2id$"));
  EXPECT_TRUE(verify_password("correct horse", hash));
  EXPECT_FALSE(verify_password("correct horsf", hash));
  EXPECT_FALSE(verify_password("", hash));
}

// From the published test vectors of Openwall's crypt_blowfish (wrapper.c).
TEST_F(Passwords, HashedWithBcryptElsewhereVerify) {
  EXPECT_TRUE(verify_password("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
  EXPECT_TRUE(verify_password("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"));
  EXPECT_TRUE(verify_password("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"));
  EXPECT_TRUE(
      verify_password("\xff\xff\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"));
  EXPECT_TRUE(
      verify_password("\xff\xff\xa3", "$2b$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"));
  EXPECT_FALSE(verify_password("U*V", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
}

TEST_F(Passwords, OfMoreThan72BytesMatchTheBcryptHashOfTheirFirst72) {
  const std::string hash = hash_password(std::string(72, 'a'), HashScheme::bcrypt, cheap_hashes());
  EXPECT_TRUE(hash.starts_with("$2b$04$"));
  EXPECT_TRUE(verify_password(std::string(80, 'a'), hash));  // as the original stored them
  EXPECT_FALSE(verify_password(std::string(71, 'a'), hash));
}

TEST_F(Passwords, WithAZeroByteDoNotMatchWhatStandsBeforeIt) {
  const std::string hash = hash_password("12345678", HashScheme::bcrypt, cheap_hashes());
  EXPECT_FALSE(verify_password(std::string_view("12345678\0more", 13), hash));
}

TEST_F(Passwords, NeverMatchTextsThatAreNoHash) {
  for (const char* stored :
       {"", "0192f3a2-0000-7000-8000-000000000000", "$2b$12$short", "plain", "$1$salt$hash",
        "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}) {
    EXPECT_FALSE(is_verifiable(stored)) << stored;
    EXPECT_FALSE(verify_password(stored, stored)) << stored;
  }
}

TEST_F(Passwords, HashedAtAnotherCostAskToBeHashedAnew) {
  const std::string hash = hash_password("correct horse", HashScheme::argon2id, cheap_hashes());
  EXPECT_FALSE(needs_rehash(hash, cheap_hashes()));
  EXPECT_TRUE(needs_rehash(hash, {2, 8192, 4}));
  EXPECT_FALSE(needs_rehash("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", cheap_hashes()));
}

}  // namespace
}  // namespace fluxgate::identity

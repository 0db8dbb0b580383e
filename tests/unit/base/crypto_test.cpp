// Published vectors: FIPS 180-4, RFC 4231, RFC 4648, RFC 8032. And what our own shapes promise.
#include "base/crypto.h"

#include <gtest/gtest.h>

namespace fluxgate::crypto {
namespace {

class Crypto : public testing::Test {
 protected:
  static void SetUpTestSuite() { initialise(); }
};

TEST_F(Crypto, HashesAsTheStandardDoes) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_F(Crypto, HashesPiecesAsTheWhole) {
  const std::string text(1000, 'x');
  for (std::size_t piece : {1u, 7u, 63u, 64u, 65u, 999u}) {
    Sha256 hash;
    for (std::size_t at = 0; at < text.size(); at += piece)
      hash.update(std::string_view(text).substr(at, piece));
    EXPECT_EQ(hash.finish(), sha256(text)) << piece;
  }
}

TEST_F(Crypto, AuthenticatesAsRfc4231Does) {
  auto mac = [](std::string_view key, std::string_view data) { return hex(hmac_sha256(key, data)); };
  EXPECT_EQ(mac(std::string(20, '\x0b'), "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(mac("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(mac(std::string(20, '\xaa'), std::string(50, '\xdd')),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  const std::string long_key(131, '\xaa');
  EXPECT_EQ(mac(long_key, "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(mac(long_key,
                "This is a test using a larger than block-size key and a larger than block-size data. The "
                "key needs to "
                "be hashed before being used by the HMAC algorithm."),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST_F(Crypto, DerivesIndependentKeys) {
  EXPECT_EQ(derive_key("secret", "a").size(), 32u);
  EXPECT_EQ(derive_key("secret", "a"), derive_key("secret", "a"));
  EXPECT_NE(derive_key("secret", "a"), derive_key("secret", "b"));
  EXPECT_NE(derive_key("secret", "a"), derive_key("other", "a"));
}

TEST_F(Crypto, WritesBase64AsRfc4648Does) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(base64(plain), encoded);
    EXPECT_EQ(unbase64(encoded), plain);
    std::string bare = encoded;
    while (bare.ends_with('=')) bare.pop_back();
    EXPECT_EQ(base64url(plain), bare);
    EXPECT_EQ(unbase64(bare), plain) << "padding is optional";
  }
  EXPECT_EQ(base64("\xfb\xff\xfe"), "+//+");
  EXPECT_EQ(base64url("\xfb\xff\xfe"), "-__-");
  EXPECT_EQ(unbase64("+//+"), unbase64("-__-"));
}

TEST_F(Crypto, RefusesWhatIsNoBase64) {
  for (const char* text : {"Z", "Zg=a", "Z g", "Zm9v\n", "%%%%", "Zm+_", "中文"})
    EXPECT_FALSE(unbase64(text)) << text;
}

TEST_F(Crypto, ReadsAndWritesHex) {
  EXPECT_EQ(unhex("00ffAB"), std::string("\x00\xff\xab", 3));
  EXPECT_EQ(unhex(""), "");
  for (const char* text : {"0", "0g", "00 ", "0x00", "00:11"}) EXPECT_FALSE(unhex(text)) << text;
}

TEST_F(Crypto, SignsAndVerifiesAsRfc8032Does) {
  struct Vector {
    const char *seed, *public_key, *message, *signature;
  };
  const Vector vectors[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf"
       "5f0595bbe246"
       "55141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2"
       "eaeb4302aeeb"
       "00d291612bb0c00"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c1"
       "5e9716ed28dc"
       "027beceea1ec40a"},
  };
  for (const auto& vector : vectors) {
    std::string key = *unhex(vector.public_key), message = *unhex(vector.message),
                signature = *unhex(vector.signature);
    EXPECT_EQ(sign_ed25519(*unhex(vector.seed) + key, message), signature);
    EXPECT_TRUE(verify_ed25519(key, message, signature));
    EXPECT_FALSE(verify_ed25519(key, message + "x", signature));
    signature[10] = static_cast<char>(signature[10] ^ 1);
    EXPECT_FALSE(verify_ed25519(key, message, signature));
  }
  EXPECT_FALSE(verify_ed25519("short", "", "short"));
}

TEST_F(Crypto, MakesKeyPairsThatFit) {
  auto pair = new_ed25519_key_pair();
  EXPECT_TRUE(verify_ed25519(pair.public_key, "hello", sign_ed25519(pair.secret_key, "hello")));
  EXPECT_FALSE(
      verify_ed25519(new_ed25519_key_pair().public_key, "hello", sign_ed25519(pair.secret_key, "hello")));
}

TEST_F(Crypto, ComparesWholeTexts) {
  EXPECT_TRUE(equal_constant_time("", ""));
  EXPECT_TRUE(equal_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_constant_time("abc", "abcd"));
}

TEST_F(Crypto, OpensOnlyWhatTheSameKeySealed) {
  Sealer sealer(std::string(32, 'k')), other(std::string(32, 'o'));
  for (const std::string& secret : {std::string(), std::string("id:secret"), std::string(10'000, 'x')}) {
    std::string sealed = sealer.seal(secret);
    EXPECT_TRUE(Sealer::is_sealed(sealed));
    EXPECT_EQ(sealed.find("secret"), std::string::npos);
    EXPECT_NE(sealed, sealer.seal(secret)) << "no two are alike";
    EXPECT_EQ(*sealer.open(sealed), secret);
    EXPECT_EQ(other.open(sealed).error().code(), "secret_unreadable");
  }
  std::string sealed = sealer.seal("id:secret");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(sealer.open(changed)) << i;
    if (sealed[i] != '=') EXPECT_FALSE(sealer.open(sealed.substr(0, i))) << i;
  }
}

TEST_F(Crypto, IsRandom) {
  EXPECT_EQ(random_bytes(16).size(), 16u);
  EXPECT_EQ(random_hex(16).size(), 32u);
  EXPECT_NE(random_bytes(16), random_bytes(16));
  EXPECT_NE(random_u64(), random_u64());
}

}  // namespace
}  // namespace fluxgate::crypto

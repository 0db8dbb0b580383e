#include "identity/tokens.h"

#include "support.h"

namespace fluxgate::identity {
namespace {

constexpr Millis kNow = 1'790'000'000'123;
const std::string kKey = "the session secret of the tests";

std::string base64url_json(const boost::json::value& value) {
  return crypto::base64url(boost::json::serialize(value));
}

// A token made by hand, as another program would.
std::string forged(const boost::json::value& header, const boost::json::value& claims,
                   const std::string& key = kKey) {
  const std::string body = base64url_json(header) + "." + base64url_json(claims);
  const auto mac = crypto::hmac_sha256(key, body);
  return body + "." + crypto::base64url({reinterpret_cast<const char*>(mac.data()), mac.size()});
}
const boost::json::object kHs256{{"alg", "HS256"}, {"typ", "JWT"}};

std::string verdict(const std::string& token, Millis now = kNow) {
  const auto claims = Tokens(kKey).verify(token, now);
  return claims ? "good" : claims.error().code();
}

TEST(Tokens, ComeBackAsTheyWereIssued) {
  const Tokens tokens(kKey);
  const auto claims = tokens.verify(tokens.issue({"ada", kNow, kNow + 60'000, "token-1"}), kNow);
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->user_id, "ada");
  EXPECT_EQ(claims->issued_at, kNow);  // to the millisecond
  EXPECT_EQ(claims->expires_at, (kNow + 60'000 + 999) / 1000 * 1000);
  EXPECT_EQ(claims->token_id, "token-1");
}

TEST(Tokens, AreWhatOpenWebUiReads) {
  const std::string token = Tokens(kKey).issue({"ada", kNow, kNow + 60'000, "t"});
  const auto first = token.find('.'), second = token.rfind('.');
  const auto header = boost::json::parse(*crypto::unbase64(token.substr(0, first)));
  EXPECT_EQ(header.at("alg"), "HS256");
  const auto claims = boost::json::parse(*crypto::unbase64(token.substr(first + 1, second - first - 1)));
  EXPECT_EQ(claims.at("id"), "ada");
  EXPECT_TRUE(claims.at("exp").is_int64());
}

TEST(Tokens, OfOpenWebUiAreRead) {
  EXPECT_EQ(verdict(forged(kHs256, {{"id", "ada"}})), "good");
  EXPECT_EQ(verdict(forged(kHs256, {{"id", "ada"}, {"exp", kNow / 1000 + 10}})), "good");
  const auto claims = Tokens(kKey).verify(forged(kHs256, {{"id", "ada"}}), kNow);
  EXPECT_FALSE(claims->issued_at);
  EXPECT_FALSE(claims->expires_at);
}

TEST(Tokens, EndAtTheirExpiry) {
  const std::string token = forged(kHs256, {{"id", "ada"}, {"exp", 1'790'000'010}});
  EXPECT_EQ(verdict(token, 1'790'000'009'999), "good");
  EXPECT_EQ(verdict(token, 1'790'000'010'000), "session_expired");
}

TEST(Tokens, SignedWithAnotherKeyOrAlgorithmAreRefused) {
  const boost::json::object claims{{"id", "ada"}};
  EXPECT_EQ(verdict(forged(kHs256, claims, "another key")), "token_invalid");
  EXPECT_EQ(verdict(forged({{"alg", "HS512"}}, claims)), "token_invalid");
  EXPECT_EQ(verdict(forged({{"alg", "RS256"}}, claims)), "token_invalid");
  EXPECT_EQ(verdict(forged({{"alg", "none"}}, claims)), "token_invalid");
  const std::string unsigned_token =
      base64url_json({{"alg", "none"}, {"typ", "JWT"}}) + "." + base64url_json(claims) + ".";
  EXPECT_EQ(verdict(unsigned_token), "token_invalid");
  EXPECT_EQ(verdict(base64url_json({{"alg", "None"}}) + "." + base64url_json(claims) + "."), "token_invalid");
  EXPECT_EQ(verdict(base64url_json(kHs256) + "." + base64url_json(claims) + "."), "token_invalid");
  EXPECT_EQ(verdict(forged({{"alg", "HS256"}, {"crit", {"exp"}}}, claims)), "token_invalid");
}

TEST(Tokens, ChangedInAnyByteAreRefused) {
  const std::string token = Tokens(kKey).issue({"ada", kNow, kNow + 60'000, "t"});
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(verdict(changed), "good") << i;
  }
}

TEST(Tokens, WithClaimsOfTheWrongTypeAreRefused) {
  for (const boost::json::value& claims :
       std::initializer_list<boost::json::value>{{{"id", 7}},
                                                 {{"id", ""}},
                                                 {{"sub", "ada"}},
                                                 {{"id", "ada"}, {"exp", "never"}},
                                                 {{"id", "ada"}, {"exp", nullptr}},
                                                 {{"id", "ada"}, {"exp", -5}},
                                                 {{"id", "ada"}, {"exp", 1e300}},
                                                 {{"id", "ada"}, {"iat", "now"}},
                                                 {{"id", "ada"}, {"iat", kNow / 1000 + 3600}}})
    EXPECT_EQ(verdict(forged(kHs256, claims)), "token_invalid") << boost::json::serialize(claims);
}

TEST(Tokens, ThatAreNoTokensAreRefused) {
  const std::string zeros("a.b\0c", 5);
  for (const std::string& text :
       {std::string(), std::string("."), std::string(".."), std::string("a.b.c"), zeros,
        std::string("Bearer x"), std::string(kTokenBytesMax + 1, 'a'), std::string(500, '.'),
        base64url_json("text") + "." + base64url_json("text") + ".x"})
    EXPECT_EQ(verdict(text), "token_invalid") << text.substr(0, 40);
}

TEST(TokenCache, ForgetsAfterFiveSeconds) {
  TokenCache cache;
  cache.put("t", {{.user_id = "ada"}, nullptr}, kNow, std::nullopt, cache.generation());
  EXPECT_TRUE(cache.find("t", kNow + 4'999));
  EXPECT_FALSE(cache.find("t", kNow + 5'000));
}

TEST(TokenCache, NeverOutlivesTheToken) {
  TokenCache cache;
  cache.put("t", {{.user_id = "ada"}, nullptr}, kNow, kNow + 1'000, cache.generation());
  EXPECT_TRUE(cache.find("t", kNow + 999));
  EXPECT_FALSE(cache.find("t", kNow + 1'000));
}

TEST(TokenCache, IsNotProlongedByAClockSetBack) {
  TokenCache cache;
  cache.put("t", {{.user_id = "ada"}, nullptr}, kNow, std::nullopt, cache.generation());
  EXPECT_FALSE(cache.find("t", kNow - 3'600'000));
}

TEST(TokenCache, ForgetsOneUserAtOnceAndKeepsTheOthers) {
  TokenCache cache;
  for (int i = 0; i < 50; ++i)
    cache.put("t" + std::to_string(i), {{.user_id = i % 2 ? "ada" : "bob"}, nullptr}, kNow, std::nullopt,
              cache.generation());
  cache.forget("ada");
  EXPECT_EQ(cache.size(), 25u);
  EXPECT_FALSE(cache.find("t1", kNow));
  EXPECT_TRUE(cache.find("t2", kNow));
}

TEST(TokenCache, RefusesWhatWasReadBeforeAChange) {
  TokenCache cache;
  const auto before = cache.generation();
  cache.forget("ada");
  cache.put("t", {{.user_id = "ada"}, nullptr}, kNow, std::nullopt, before);
  EXPECT_FALSE(cache.find("t", kNow));
}

TEST(TokenCache, StaysBounded) {
  TokenCache cache;
  for (int i = 0; i < 100'000; ++i)
    cache.put("t" + std::to_string(i), {{.user_id = "ada"}, nullptr}, kNow, std::nullopt, cache.generation());
  EXPECT_LE(cache.size(), TokenCache::kShards * TokenCache::kShardLimit);
}

}  // namespace
}  // namespace fluxgate::identity

#include "http/tus.h"

#include <gtest/gtest.h>

#include "base/crypto.h"

namespace fluxgate::http::tus {
namespace {

TEST(Tus, ReadsSizesOfDigitsOnly) {
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("9223372036854775807"), 9223372036854775807u);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x10", "1.0", "9223372036854775808", "99999999999999999999"})
    EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(Tus, ReadsMetadata) {
  const auto pairs = parse_metadata("filename d29ybGQ= ,is_confidential, kind aW1hZ2U=");
  ASSERT_TRUE(pairs);
  EXPECT_EQ(*pairs, (Metadata{{"filename", "world"}, {"is_confidential", ""}, {"kind", "image"}}));
  EXPECT_EQ(parse_metadata(""), Metadata());
  EXPECT_EQ(parse_metadata("filename " + crypto::base64("猫/../.png"))->at("filename"), "猫/../.png") << "as it came";
}

TEST(Tus, RefusesMalformedMetadata) {
  for (const char* bad : {",", "a Yg==,", "a Yg==,a Yg==", "a !!!", "a Y g", " , ", "\x01 Yg==", "a b_-b", "a  Yg=="})
    EXPECT_FALSE(parse_metadata(bad)) << bad;
  std::string many = "k0";
  for (std::size_t i = 1; i < kMetadataPairsMax; ++i) many += ",k" + std::to_string(i);
  EXPECT_TRUE(parse_metadata(many));
  EXPECT_FALSE(parse_metadata(many + ",more"));
}

TEST(Tus, ReadsChecksums) {
  const auto checksum = parse_checksum("sha1 " + crypto::base64("twenty bytes of hash"));
  ASSERT_TRUE(checksum);
  EXPECT_EQ(checksum->algorithm, "sha1");
  EXPECT_EQ(checksum->digest, "twenty bytes of hash");
  for (const char* bad : {"", "sha1", "sha1 ", " Yg==", "sha1 ???"}) EXPECT_FALSE(parse_checksum(bad)) << bad;
}

TEST(Tus, ReadsWhatIsToBeConcatenated) {
  ASSERT_TRUE(parse_concat("partial"));
  EXPECT_TRUE(parse_concat("partial")->parts.empty());
  const auto final = parse_concat("final;/files/a https://example.org/files/b");
  ASSERT_TRUE(final);
  EXPECT_EQ(final->parts, (std::vector<std::string>{"/files/a", "https://example.org/files/b"}));
  for (const char* bad : {"", "Partial", "partial;", "final", "final;", "final; /a", "final;/a  /b", "final;/a /a", "whole;/a"})
    EXPECT_FALSE(parse_concat(bad)) << bad;
}

}  // namespace
}  // namespace fluxgate::http::tus

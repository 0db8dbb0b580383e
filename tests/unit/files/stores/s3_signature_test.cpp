// Every vector of spec storage-cos §9. Made-up keys, except AWS's own published example.
#include <gtest/gtest.h>

#include "base/crypto.h"
#include "files/stores/s3_signature.h"

namespace fluxgate::files {
namespace {

constexpr Millis kNow = 1735689600000;  // 20250101T000000Z
constexpr std::string_view kCosHost = "studio-1250000000.cos.ap-guangzhou.myqcloud.com";
constexpr std::string_view kPath = "/%E7%94%9F%E6%88%90%20%E7%BB%93%E6%9E%9C/%E7%8C%AB%20%2801%29.png";

S3Signer signer(std::string_view region) {
  return {"AKIDEXAMPLE0000000001", "fluxgate+Example/SecretKey0000000000002", region, kNow};
}
std::string value_in(const std::string& query) { return query.substr(query.find("X-Amz-Signature=") + 16); }

TEST(S3Signature, EncodesEveryByteThatAwsEncodes) {
  EXPECT_EQ(percent_encode_path("/生成 结果/猫 (01).png"), kPath);
}

TEST(S3Signature, S1PutInPathStyleWithSignedPayload) {
  const std::string body = crypto::sha256_hex("hello fluxgate\n");
  ASSERT_EQ(body, "8f18c104da5e6464e590fc8e727a76913c4c2fd046655ee670cb6170d621008f");
  const auto signature = sign_s3(signer("us-east-1"), "PUT", "/studio" + std::string(kPath), {},
                                 {{"Host", "minio.local:9000"},
                                  {"Content-Type", "image/png"},
                                  {"X-Amz-Date", "20250101T000000Z"},
                                  {"x-amz-content-sha256", body},
                                  {"x-amz-meta-task-id", "  task   7/8 "}},
                                 body);
  EXPECT_EQ(crypto::sha256_hex(signature.canonical),
            "36f921aed8e9f9903d8d9330097a09559e3921b1e3618b1f8bb80244b160f7cd")
      << signature.canonical;
  EXPECT_EQ(signature.authorization,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE0000000001/20250101/us-east-1/s3/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-task-id, "
            "Signature=369ccdf170fbb829ef119e91ed87eff37c01e668248f8bc5946fc20723877ee7");
}

TEST(S3Signature, S2GetOnCosWithTokenRangeAndQuery) {
  const auto signature =
      sign_s3(signer("ap-guangzhou"), "GET", kPath,
              {{"response-content-disposition", "attachment; filename=\"猫.png\""}, {"partNumber", "1"}},
              {{"host", std::string(kCosHost)},
               {"range", "bytes=0-1023"},
               {"x-amz-content-sha256", std::string(kUnsignedPayload)},
               {"x-amz-date", "20250101T000000Z"},
               {"x-amz-security-token", "tok+en/with==chars"}},
              kUnsignedPayload);
  EXPECT_EQ(signature.canonical,
            "GET\n/%E7%94%9F%E6%88%90%20%E7%BB%93%E6%9E%9C/%E7%8C%AB%20%2801%29.png\n"
            "partNumber=1&response-content-disposition=attachment%3B%20filename%3D%22%E7%8C%AB.png%22\n"
            "host:studio-1250000000.cos.ap-guangzhou.myqcloud.com\nrange:bytes=0-1023\n"
            "x-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:20250101T000000Z\n"
            "x-amz-security-token:tok+en/with==chars\n\n"
            "host;range;x-amz-content-sha256;x-amz-date;x-amz-security-token\nUNSIGNED-PAYLOAD");
  EXPECT_EQ(crypto::sha256_hex(signature.canonical),
            "f389e531044797059664583ddb80b79fb07381aa65b7f77e020cdfbac9e3d201");
  EXPECT_EQ(signature.value, "f9c2b6d55f7ae035242f13ddd0cd1c6fdaceb82c177f88092f1f4f20fe182e7c");
}

TEST(S3Signature, S3PresignedGet) {
  const auto query =
      s3_presigned_query(signer("ap-guangzhou"), "GET", kPath, {{"response-content-type", "image/png"}},
                         {{"host", std::string(kCosHost)}}, 3600, "");
  EXPECT_EQ(value_in(query), "8d10d9f12e6f53d086a5ec9747b9ff97650650a57cf19b5ea1f8fbd6e9bdeb05");
  EXPECT_NE(query.find("&response-content-type=image%2Fpng&"), std::string::npos) << query;
}

TEST(S3Signature, S4PresignedPutWithItsType) {
  const auto query =
      s3_presigned_query(signer("us-east-1"), "PUT", "/studio/uploads/in%201.png", {},
                         {{"Host", "minio.local:9000"}, {"Content-Type", "image/png"}}, 600, "");
  EXPECT_EQ(value_in(query), "0f55663ea769e97ced357de6d7411c3979eaec76f9ac85ff9d9b1aedd05eb8b8");
  EXPECT_NE(query.find("X-Amz-SignedHeaders=content-type%3Bhost&"), std::string::npos) << query;
}

TEST(S3Signature, S5AwsPublishedExample) {
  const S3Signer aws{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1",
                     1369353600000};
  const auto query = s3_presigned_query(aws, "GET", "/test.txt", {},
                                        {{"host", "examplebucket.s3.amazonaws.com"}}, 86400, "");
  EXPECT_EQ(value_in(query), "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

// A token is part of what a presigned link says, and so of what is signed.
TEST(S3Signature, SignsTheTokenOfALink) {
  const Pairs host{{"host", std::string(kCosHost)}};
  const auto with = s3_presigned_query(signer("us-east-1"), "GET", "/a", {}, host, 60, "tok+en");
  const auto without = s3_presigned_query(signer("us-east-1"), "GET", "/a", {}, host, 60, "");
  EXPECT_NE(with.find("X-Amz-Security-Token=tok%2Ben&"), std::string::npos) << with;
  EXPECT_NE(value_in(with), value_in(without));
}

}  // namespace
}  // namespace fluxgate::files

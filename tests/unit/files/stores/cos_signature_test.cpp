// Every vector of spec storage-cos §2, recomputed there with the vendor's SDK and by hand. Made-up keys.
#include <gtest/gtest.h>

#include "files/stores/cos_signature.h"

namespace fluxgate::files {
namespace {

constexpr std::string_view kHost = "studio-1250000000.cos.ap-guangzhou.myqcloud.com";
const CosSigner kSigner{"AKIDEXAMPLEfluxgate0000000000000001", "fluxgateExampleSecretKey00000001", 1735689600,
                        1735693200};

Pairs host() { return {{"Host", std::string(kHost)}}; }
CosSigner until(std::int64_t end) { return {kSigner.id, kSigner.secret, kSigner.from_s, end}; }
std::string value_in(const std::string& query) { return query.substr(query.find("q-signature=") + 12, 40); }

TEST(CosSignature, DerivesTheKeyFromTheTime) {
  EXPECT_EQ(hmac_sha1_hex(kSigner.secret, "1735689600;1735693200"),
            "de1298a89a1a7dad82998ef66bccf493792d21a6");
}

TEST(CosSignature, V1PutWithChineseKeyAndMetadata) {
  const auto signature = sign_cos(kSigner, "PUT", "/生成 结果/猫 01.png", {},
                                  {{"Host", std::string(kHost)},
                                   {"Content-Type", "image/png"},
                                   {"Content-MD5", md5_base64("hello fluxgate\n")},
                                   {"Content-Length", "15"},
                                   {"x-cos-acl", "private"},
                                   {"x-cos-storage-class", "STANDARD"},
                                   {"x-cos-meta-task-id", "task 7/8"}});
  EXPECT_EQ(signature.http_string,
            "put\n/生成 结果/猫 01.png\n\ncontent-length=15&content-md5=dOZuGIdkZkePsCtOhdMCXA%3D%3D&"
            "content-type=image%2Fpng&host=studio-1250000000.cos.ap-guangzhou.myqcloud.com&x-cos-acl=private&"
            "x-cos-meta-task-id=task%207%2F8&x-cos-storage-class=STANDARD\n");
  EXPECT_EQ(sha1_hex(signature.http_string), "449655ce97a305e4e89223b4438b01cc6de8a77f");
  EXPECT_EQ(signature.authorization,
            "q-sign-algorithm=sha1&q-ak=AKIDEXAMPLEfluxgate0000000000000001&"
            "q-sign-time=1735689600;1735693200&q-key-time=1735689600;1735693200&"
            "q-header-list=content-length;content-md5;content-type;host;x-cos-acl;x-cos-meta-task-id;"
            "x-cos-storage-class&q-url-param-list=&q-signature=e8e5f949c67137a812595d64f06441d03ad05124");
  EXPECT_EQ(percent_encode_path("/生成 结果/猫 01.png"),
            "/%E7%94%9F%E6%88%90%20%E7%BB%93%E6%9E%9C/%E7%8C%AB%2001.png");
}

TEST(CosSignature, V2GetWithParametersOfEveryKind) {
  const auto signature = sign_cos(kSigner, "GET", "/images/2025/a b+c.png",
                                  {{"response-content-disposition", "attachment; filename=\"猫 01.png\""},
                                   {"versionId", "MTg0NDUxNTc1NjIzMTQ1MDAwODg"},
                                   {"imageMogr2/thumbnail/256x256>/format/webp", ""}},
                                  {{"Host", std::string(kHost)}, {"Range", "bytes=0-1023"}});
  EXPECT_EQ(signature.http_string,
            "get\n/images/2025/a b+c.png\nimagemogr2%2fthumbnail%2f256x256%3e%2fformat%2fwebp=&"
            "response-content-disposition=attachment%3B%20filename%3D%22%E7%8C%AB%2001.png%22&"
            "versionid=MTg0NDUxNTc1NjIzMTQ1MDAwODg\n"
            "host=studio-1250000000.cos.ap-guangzhou.myqcloud.com&range=bytes%3D0-1023\n");
  EXPECT_EQ(sha1_hex(signature.http_string), "030694687c9b491a19225dc49454e56d5f7aabbf");
  EXPECT_EQ(signature.header_names, "host;range");
  EXPECT_EQ(signature.param_names,
            "imagemogr2%2fthumbnail%2f256x256%3e%2fformat%2fwebp;response-content-disposition;versionid");
  EXPECT_EQ(signature.value, "b0b5c555f8eec25f16fd51382c107825ec6306fa");
}

TEST(CosSignature, V3PartWithASignedToken) {
  const auto signature =
      sign_cos(kSigner, "PUT", "/videos/clip.mp4", {{"partNumber", "1"}, {"uploadId", "1735689600a1b2c3"}},
               {{"Host", std::string(kHost)},
                {"Content-Length", "1048576"},
                {"x-cos-security-token", "tok+en/with==chars"}});
  EXPECT_EQ(sha1_hex(signature.http_string), "ec91db76a896c73b03abe5ba27d70da78a5a4bfa");
  EXPECT_EQ(signature.header_names, "content-length;host;x-cos-security-token");
  EXPECT_EQ(signature.param_names, "partnumber;uploadid");
  EXPECT_EQ(signature.value, "11581264906127282d53cf1c11befa001f4b3f2e");
}

TEST(CosSignature, EdgeCases) {
  const auto bare = sign_cos(kSigner, "GET", "/exampleobject", {}, {});
  EXPECT_EQ(bare.http_string, "get\n/exampleobject\n\n\n");
  EXPECT_EQ(bare.value, "f9c306b9f935de323beb5f240ca84d670cf6df7e");

  const auto listing =
      sign_cos(kSigner, "GET", "/", {{"prefix", "生成/"}, {"max-keys", "100"}, {"list-type", "2"}}, host());
  EXPECT_EQ(listing.http_string,
            "get\n/\nlist-type=2&max-keys=100&prefix=%E7%94%9F%E6%88%90%2F\n"
            "host=studio-1250000000.cos.ap-guangzhou.myqcloud.com\n");
  EXPECT_EQ(listing.value, "8bf540697c086f23b01ae2e4124a373762ec7da9");

  const auto initiate =
      sign_cos(kSigner, "POST", "/videos/clip.mp4", {{"uploads", ""}},
               {{"Content-Length", "0"}, {"Content-Type", "video/mp4"}, {"Host", std::string(kHost)}});
  EXPECT_EQ(initiate.value, "7bb2c3e81c18296e9f1260c4c84499f48b79cd98");
}

TEST(CosSignature, PresignedLinks) {
  const std::string path = "/生成 结果/猫 01.png";
  EXPECT_EQ("https://" + std::string(kHost) + percent_encode_path(path) + "?" +
                cos_presigned_query(kSigner, "GET", path, {}, host()),
            "https://studio-1250000000.cos.ap-guangzhou.myqcloud.com/%E7%94%9F%E6%88%90%20%E7%BB%93%E6%9E%9C/"
            "%E7%8C%AB%2001.png?q-sign-algorithm=sha1&q-ak=AKIDEXAMPLEfluxgate0000000000000001&"
            "q-sign-time=1735689600;1735693200&q-key-time=1735689600;1735693200&q-header-list=host&"
            "q-url-param-list=&q-signature=28d10cd509028291f0412771395343c0ea7017aa");
  const auto named = cos_presigned_query(
      kSigner, "GET", path, {{"response-content-disposition", "attachment; filename=\"cat.png\""}}, host());
  EXPECT_EQ(value_in(named), "eea92212d982b936410254a3e2e669c3d252c784");
  EXPECT_TRUE(named.ends_with("&response-content-disposition=attachment%3B%20filename%3D%22cat.png%22"));
  EXPECT_EQ(value_in(cos_presigned_query(
                until(1735690200), "PUT", "/uploads/in 1.png", {},
                {{"Content-Length", "15"}, {"Content-Type", "image/png"}, {"Host", std::string(kHost)}})),
            "518df710d6686bf1db3c6a0082b86d80dd427173");
  EXPECT_EQ(
      value_in(cos_presigned_query(until(1735690200), "GET", "/a.png", {}, {{"Host", "cdn.example.com"}})),
      "69e7bfbf8beca214c4ba0de6bf21662c31c22598");
  EXPECT_EQ(value_in(cos_presigned_query(until(1735690200), "GET", "/a.png", {},
                                         {{"Host", "studio-1250000000.cos.accelerate.myqcloud.com"}})),
            "863cef3ee4fceb63ea8f83c8fcd47a41ea86526b");
}

// A server decodes the query once and must then find the encoded, lower-cased names of the list.
TEST(CosSignature, PresignedListsAreEncodedOnceMore) {
  const auto query = cos_presigned_query(kSigner, "GET", "/a.png", {{"imageMogr2/format/webp", ""}}, host());
  EXPECT_NE(query.find("q-url-param-list=imagemogr2%252fformat%252fwebp&"), std::string::npos) << query;
  EXPECT_TRUE(query.ends_with("&imageMogr2%2Fformat%2Fwebp")) << query;
}

TEST(StoreWords, Crc64IsTheOneThatCosAnswers) {
  EXPECT_EQ(crc64("123456789"), 11051210869376104954ull);
  EXPECT_EQ(crc64("hello fluxgate\n"), 3011411688243851615ull);
  EXPECT_EQ(crc64("gate\n", crc64("hello flux")), crc64("hello fluxgate\n"));
}

TEST(StoreWords, EscapesAreReadBackOrRefused) {
  for (std::string_view text : {"", "a b+c/猫~.-_", "100%"})
    EXPECT_EQ(percent_decode(percent_encode(text)), text);
  EXPECT_EQ(percent_encode("!'()*"), "%21%27%28%29%2A");
  for (std::string_view damaged : {"%", "%4", "%zz", "a%2"}) EXPECT_FALSE(percent_decode(damaged)) << damaged;
}

TEST(StoreWords, DatesAreReadInBothSpellings) {
  EXPECT_EQ(parse_http_date("Wed, 01 Jan 2025 00:00:00 GMT"), 1735689600000);
  EXPECT_EQ(parse_iso_date("2025-01-01T00:00:00.000Z"), 1735689600000);
  EXPECT_EQ(parse_iso_date("2025-01-01T00:00:00Z"), 1735689600000);
  EXPECT_EQ(basic_iso_date(1735689600000), "20250101T000000Z");
  for (std::string_view no_date : {"", "yesterday", "2025-01-01", "Wed, 01 Jan 2025 00:00:00 GMT+1"}) {
    EXPECT_FALSE(parse_http_date(no_date)) << no_date;
    EXPECT_FALSE(parse_iso_date(no_date)) << no_date;
  }
}

}  // namespace
}  // namespace fluxgate::files

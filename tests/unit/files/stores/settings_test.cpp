// Settings, keys and the tables of failures, on both sides of their limits.
#include <set>

#include <gtest/gtest.h>

#include "base/crypto.h"
#include "files/stores/failures.h"
#include "files/stores/key.h"
#include "files/stores/origin.h"
#include "files/stores/settings.h"
#include "files/stores/transfer_parts.h"
#include "files/stores/xml.h"

namespace fluxgate::files {
namespace {

CosSettings cos() {
  CosSettings settings{.bucket = "studio-1250000000", .region = "ap-guangzhou"};
  settings.credentials = {"AKID", "secret"};
  return settings;
}
S3Settings s3() {
  S3Settings settings{.endpoint = "http://minio.local:9000"};
  settings.bucket = "studio";
  settings.credentials = {"id", "secret"};
  return settings;
}

// The members that check() finds wrong.
std::set<std::string> wrong(const StoreSettings& settings) {
  std::set<std::string> members;
  const auto checked = check(settings);
  if (checked) return members;
  for (const auto& field : checked.error().fields()) {
    members.insert(std::get<std::string>(field.loc.back()));
    EXPECT_FALSE(field.message.en.empty());
    EXPECT_FALSE(field.message.zh.empty());
  }
  return members;
}
using Names = std::set<std::string>;

TEST(StoreSettings, GoodOnesPass) {
  EXPECT_EQ(wrong(cos()), Names{});
  EXPECT_EQ(wrong(s3()), Names{});
  EXPECT_EQ(wrong(LocalSettings{"/srv/files"}), Names{});
  EXPECT_EQ(wrong(LocalSettings{"files"}), Names{"directory"});
}

TEST(StoreSettings, EveryWrongMemberIsNamed) {
  auto settings = cos();
  for (std::string_view bucket : {"", "studio", "studio-", "-1250000000", "Studio-125", "stu_dio-125",
                                  "studio--125", "-studio-125", "studio-12a"}) {
    settings.bucket = bucket;
    EXPECT_EQ(wrong(settings), Names{"bucket"}) << bucket;
  }
  settings = cos();
  for (std::string_view region : {"", "cos.ap-guangzhou", "AP", "ap_guangzhou"}) {
    settings.region = region;
    EXPECT_EQ(wrong(settings), Names{"region"}) << region;
  }
  settings = cos();
  settings.credentials = {"", "with space"};
  settings.acl = "public-read-write";
  settings.storage_class = "ARCHIVE";
  settings.endpoint = "img.example.com";
  settings.link_base = "https://cdn.example.com/path";
  settings.prefix = "/fluxgate/";
  EXPECT_EQ(wrong(settings),
            (Names{"secret_id", "secret_key", "acl", "storage_class", "endpoint", "domain", "prefix"}));
  settings = cos();
  settings.accelerate = true;
  settings.endpoint = "https://img.example.com";
  EXPECT_EQ(wrong(settings), Names{"accelerate"});
}

TEST(StoreSettings, HostNamesOfCosHaveSixtyCharactersAtMost) {
  auto settings = cos();  // ".cos.ap-guangzhou.myqcloud.com" has 30
  settings.bucket = std::string(19, 'a') + "-1250000000";
  EXPECT_EQ(wrong(settings), Names{});
  settings.bucket = std::string(20, 'a') + "-1250000000";
  EXPECT_EQ(wrong(settings), Names{"bucket"});
  settings.endpoint = "https://img.example.com";
  EXPECT_EQ(wrong(settings), Names{}) << "a domain of one's own has no such limit";
}

TEST(StoreSettings, BucketsOfS3HaveThreeToSixtyThreeCharacters) {
  auto settings = s3();
  for (const auto& [size, good] : {std::pair{2u, false}, {3u, true}, {63u, true}, {64u, false}}) {
    settings.bucket = std::string(size, 'b');
    EXPECT_EQ(wrong(settings).empty(), good) << size;
  }
  settings = s3();
  settings.endpoint = "";
  EXPECT_EQ(wrong(settings), Names{"endpoint"});
}

TEST(StoreSettings, BucketsAreNotPutBeforeAddresses) {
  auto settings = s3();
  settings.addressing = Addressing::virtual_host;
  for (const char* endpoint : {"http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost:9000"}) {
    settings.endpoint = endpoint;
    EXPECT_EQ(wrong(settings), Names{"addressing"}) << endpoint;
  }
  settings.endpoint = "http://minio.local:9000";
  EXPECT_EQ(wrong(settings), Names{});
  settings.endpoint = "http://127.0.0.1:9000";
  settings.addressing = Addressing::path;
  EXPECT_EQ(wrong(settings), Names{});
}

TEST(StoreSettings, PrefixesLeaveRoomForKeys) {
  auto settings = s3();
  settings.prefix = std::string(199, 'p') + "/";
  EXPECT_EQ(wrong(settings), Names{});
  settings.prefix = std::string(200, 'p') + "/";
  EXPECT_EQ(wrong(settings), Names{"prefix"});
  settings.prefix = "no-slash";
  EXPECT_EQ(wrong(settings), Names{"prefix"});
}

TEST(StoreKeys, HaveAtMost850BytesOnceEncoded) {
  EXPECT_TRUE(check_key(std::string(850, 'k')));
  EXPECT_FALSE(check_key(std::string(851, 'k')));
  EXPECT_TRUE(check_key(std::string(283, '+')));  // three bytes each
  EXPECT_FALSE(check_key(std::string(284, '+')));
  EXPECT_TRUE(check_key("生成 结果/猫 01.png"));
  for (std::string_view bad :
       {std::string_view(""), std::string_view("/a"), std::string_view("\\a"), std::string_view("a//b"),
        std::string_view("a/.."), std::string_view("./a"), std::string_view("a\x1a"),
        std::string_view("a\0b", 3), std::string_view("a\xff"), std::string_view("\xe7\x94")})
    EXPECT_FALSE(check_key(bad)) << bad;
  EXPECT_TRUE(check_key("..a/b..")) << "dots are letters like others";
}

TEST(StoreParts, AreNeverMoreThanTenThousand) {
  constexpr std::uint64_t kMiB = 1u << 20, kPart = 8 * kMiB;
  EXPECT_EQ(part_size(1, kPart), kPart);
  EXPECT_EQ(part_size(10'000 * kPart, kPart), kPart);
  EXPECT_EQ(part_size(10'000 * kPart + 1, kPart), kPart + kMiB);
}

TEST(StoreOrigins, AreTakenApart) {
  const auto origin = parse_origin("HTTPS://Img.Example.com:443/");
  ASSERT_TRUE(origin);
  EXPECT_EQ(origin->text(), "https://img.example.com");
  EXPECT_EQ(parse_origin("http://127.0.0.1:9000")->authority, "127.0.0.1:9000");
  EXPECT_TRUE(parse_origin("http://[::1]:9000")->is_address);
  for (std::string_view bad :
       {"", "img.example.com", "ftp://a", "https://a/b", "https://a?b", "https://u:p@a"})
    EXPECT_FALSE(parse_origin(bad)) << bad;
}

TEST(StoreFailures, EveryRuleLeadsToAKindAndEveryKindSaysItInTwoLanguages) {
  std::set<std::string_view> codes, words;
  for (const auto& kind : failure_kinds()) {
    EXPECT_TRUE(codes.insert(kind.code).second) << kind.code;
    EXPECT_FALSE(kind.en.empty());
    EXPECT_FALSE(kind.zh.empty());
  }
  for (const auto& rule : failure_rules()) {
    EXPECT_TRUE(codes.contains(rule.code)) << rule.word << rule.status;
    EXPECT_TRUE(rule.word.empty() != (rule.status == 0)) << rule.word;
    if (!rule.word.empty()) EXPECT_TRUE(words.insert(rule.word).second) << rule.word;
  }
}

Refusal answer(int status, std::string_view word, std::string_view message = "m") {
  HttpResponse response{status, {{"x-cos-request-id", "id"}}, {}};
  if (!word.empty())
    response.body = fmt::format("<Error><Code>{}</Code><Message>{}</Message></Error>", word, message);
  return refusal_of(response);
}

TEST(StoreFailures, WordsWinOverStatusAndUnknownWordsAreJudgedByStatus) {
  EXPECT_EQ(answer(503, "SlowDown").repeat, Repeat::slowly);
  EXPECT_EQ(answer(400, "BadDigest").repeat, Repeat::again);
  EXPECT_EQ(answer(409, "UploadConflict").repeat, Repeat::once);
  EXPECT_EQ(answer(403, "InvalidAccessKeyId").error.code(), "store_key_rejected");
  EXPECT_EQ(answer(403, "SomethingNew").error.code(), "store_forbidden");
  EXPECT_EQ(answer(400, "BadRquest").error.code(), "store_misconfigured");
  EXPECT_EQ(answer(500, "").error.code(), "store_failed");
  EXPECT_EQ(answer(502, "").repeat, Repeat::again);
  EXPECT_EQ(answer(404, "").error.code(), "object_missing");
  EXPECT_EQ(answer(404, "NoSuchBucket").error.code(), "bucket_missing");
  EXPECT_EQ(answer(403, "AccessDenied", "Request has expired").error.code(), "store_clock_wrong");
  EXPECT_EQ(decision_of(answer(402, "").error), Decision::alert);
  EXPECT_EQ(decision_of(answer(404, "NoSuchKey").error), Decision::final);
  EXPECT_EQ(decision_of(answer(503, "ServiceUnavailable").error), Decision::retry);
  EXPECT_TRUE(answer(503, "SlowDown").from_store);
  EXPECT_FALSE(refusal_of(HttpResponse{502, {}, "<html>Bad Gateway</html>"}).from_store);
}

TEST(StoreXml, ReadsWhatItKnowsAndSurvivesTheRest) {
  for (std::string_view damaged :
       {"", "no xml", "<Error>", "<a><b></a>",
        "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><Error><Code>&e;</Code></Error>"}) {
    EXPECT_TRUE(xml::read_error(damaged).code.empty() || xml::read_error(damaged).code == "&e;") << damaged;
    EXPECT_TRUE(xml::read_parts(damaged).parts.empty());
    EXPECT_TRUE(xml::read_objects(damaged).objects.empty());
  }
  const auto parts = xml::read_parts(
      "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>"
      "<Part><PartNumber>1</PartNumber><ETag>&quot;aa&quot;</ETag><Size>5</Size></Part>"
      "<Part><PartNumber>2</PartNumber><ETag>\"bb\"</ETag><Size>6</Size></Part></ListPartsResult>");
  ASSERT_EQ(parts.parts.size(), 2u);
  EXPECT_EQ(parts.parts[0].etag, "aa");
  EXPECT_EQ(parts.parts[1].etag, "bb");
  EXPECT_EQ(parts.parts[1].size, 6u);
  EXPECT_EQ(parts.next, 2);
  EXPECT_EQ(xml::write_parts({{1, "a&b", 5}}),
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"a&amp;b\"</ETag></Part></"
            "CompleteMultipartUpload>");
}

}  // namespace
}  // namespace fluxgate::files

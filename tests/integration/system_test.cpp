#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

TEST(System, ConfigTellsStrangersLittleAndMembersMore) {
  const json::value stranger = api().get("/api/config").json();
  EXPECT_EQ(stranger.at("status"), true);
  EXPECT_EQ(stranger.at("sandbox"), true);
  EXPECT_EQ(stranger.at("features").at("enable_signup"), true);
  EXPECT_FALSE(stranger.as_object().contains("onboarding"));
  EXPECT_FALSE(stranger.as_object().contains("user_count"));
  const Person pending = somebody("pending");
  const json::value waiting = api().get("/api/config", pending.token).json();
  EXPECT_TRUE(waiting.at("features").as_object().contains("enable_channels"));
  EXPECT_FALSE(waiting.as_object().contains("permissions"));
  const json::value member = api().get("/api/config", admin().token).json();
  EXPECT_GE(member.at("user_count").as_int64(), 2);
  EXPECT_EQ(member.at("file").at("max_count"), 10);
  EXPECT_TRUE(member.as_object().contains("active_entries"));
  EXPECT_EQ(api().get("/api/config", "nonsense").status, 200) << "a bad token makes a stranger here";
}

TEST(System, AnswersThatItIsThere) {
  EXPECT_EQ(api().get("/health").body, R"({"status":true})");
  EXPECT_EQ(api().get("/health/db").body, R"({"status":true})");
  EXPECT_FALSE(api().get("/api/version").json().at("version").as_string().empty());
  const json::value updates = api().get("/api/version/updates", admin().token).json();
  EXPECT_EQ(updates.at("current"), updates.at("latest"));
  EXPECT_EQ(api().get("/user.png").header("content-type"), "image/svg+xml");
}

TEST(System, LeadsToTheDocumentation) {
  EXPECT_EQ(api().get("/").header("location"), "/api/docs");
  const Answer page = api().get("/api/docs");
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.body.find("/api/v1/flux/text-to-image"), std::string::npos);
  const Answer document = api().get("/api/openapi.json");
  const Answer again =
      api().send({.path = "/api/openapi.json", .headers = {{"If-None-Match", document.header("etag")}}});
  EXPECT_EQ(again.status, 304);
  EXPECT_TRUE(
      document.json().at("components").at("schemas").as_object().contains("fal-ai.flux-1.dev.text_to_image"));
}

TEST(System, UnknownPathsAreNotFoundInJson) {
  for (const char* path : {"/nothing", "/api/v1/nothing", "/api/v1/flux/", "/api/v1/flux/task", "/files/x"}) {
    const Answer answer = api().send({.path = path, .off_contract = true});
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.code(), "not_found") << path;
    EXPECT_EQ(answer.header("content-type"), "application/json") << path;
  }
}

TEST(System, AKnownPathWithAnotherMethodNamesTheRightOnes) {
  const Answer answer = api().send({.method = "PUT", .path = "/api/v1/flux/task/x", .off_contract = true});
  EXPECT_EQ(answer.status, 405);
  const std::string allow = answer.header("allow");
  for (const char* method : {"GET", "HEAD", "DELETE", "OPTIONS"})
    EXPECT_NE(allow.find(method), std::string::npos) << allow;
}

TEST(System, HeadIsGetWithoutTheBody) {
  const Answer head = api().send({.method = "HEAD", .path = "/api/config"});
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(head.body.empty());
  EXPECT_FALSE(head.header("content-length").empty());
}

TEST(System, SpeaksTheCallersLanguage) {
  const Answer english =
      api().send({.path = "/api/v1/flux/models", .headers = {{"Accept-Language", "de, en;q=0.8"}}});
  const Answer chinese =
      api().send({.path = "/api/v1/flux/models", .headers = {{"Accept-Language", "zh-CN,zh;q=0.9"}}});
  EXPECT_EQ(english.code(), chinese.code());
  EXPECT_NE(english.json().at("detail"), chinese.json().at("detail"));
  EXPECT_EQ(chinese.header("content-language"), "zh-CN");
}

TEST(System, TakesOverARequestIdAndGivesOneOtherwise) {
  EXPECT_EQ(api().send({.path = "/health", .headers = {{"X-Request-Id", "mine-1"}}}).header("x-request-id"),
            "mine-1");
  EXPECT_FALSE(api().get("/health").header("x-request-id").empty());
}

}  // namespace
}  // namespace fluxgate::integration

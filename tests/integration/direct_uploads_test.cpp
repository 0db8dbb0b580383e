// Files that clients put into the store themselves: the sandbox's COS bucket, which verifies what was signed.
// tests/compat/direct.test.js does the same with an S3 server.
#include <fstream>

#include "base/crypto.h"
#include "store_house.h"
#include "test_paths.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

class DirectUploads : public testing::Test {
 protected:
  DirectUploads() { EXPECT_EQ(house_.store_in(bucket_).status, 200); }
  Answer begin(json::object form) const { return house_.client().post("/api/v1/uploads/direct", house_.ann.token, std::move(form)); }
  json::value begun(std::size_t size, const std::string& kind = "image") const {
    const Answer answer = begin({{"size", size}, {"kind", kind}, {"filename", "../My photo.exe"}, {"content_type", "image/png"}});
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json();
  }
  // Makes the request that was given, perhaps with other bytes or another type than it is for.
  int put(const json::value& given, std::string bytes, const std::string& type = "image/png") const {
    const std::string url(given.at("url").as_string());
    const auto path = url.find('/', url.find("://") + 3);
    return Client(url.substr(0, path), nullptr).send({.method = "PUT", .path = url.substr(path), .body = std::move(bytes), .headers = {{"Content-Type", type}}}).status;
  }
  Answer complete(const json::value& given, json::object form = {}) const {
    return house_.client().post("/api/v1/uploads/" + std::string(given.at("id").as_string()) + "/complete", house_.ann.token, std::move(form));
  }
  std::string path_of(const json::value& given) const { return "/api/v1/uploads/" + std::string(given.at("id").as_string()); }
  void set_rules(json::object change) {
    json::object rules = house_.client().get("/api/v1/admin/files", house_.ann.token).json().as_object();
    for (auto& [name, value] : change) rules[name] = value;
    EXPECT_EQ(house_.client().put("/api/v1/admin/files", house_.ann.token, rules).status, 200);
  }

  Bucket bucket_;
  House house_;
  const std::string picture_ = png(300, 200);
};

TEST_F(DirectUploads, BecomeFilesOfTheirUser) {
  const json::value given = begun(picture_.size());
  EXPECT_EQ(given.at("headers"), (json::object{{"Content-Type", "image/png"}, {"Content-Length", std::to_string(picture_.size())}}));
  EXPECT_EQ(complete(given).code(), "upload_incomplete");
  const json::value open = house_.client().get(path_of(given), house_.ann.token).json();
  EXPECT_EQ(open.at("direct"), json::value(true));
  EXPECT_TRUE(open.at("file").is_null());
  ASSERT_EQ(put(given, picture_), 200);
  const Answer kept = complete(given, {{"sha256", crypto::sha256_hex(picture_)}});
  ASSERT_EQ(kept.status, 200) << kept.body;
  EXPECT_EQ(kept.json().at("file_id"), given.at("id"));
  EXPECT_EQ(kept.json().at("filename"), "My photo.png");
  EXPECT_EQ(kept.json().at("width"), 300);
  EXPECT_EQ(complete(given).json().at("file_id"), given.at("id")) << "asked again, the same";
  EXPECT_FALSE(house_.client().get(path_of(given), house_.ann.token).json().at("file").is_null());
  ASSERT_TRUE(eventually([&] { return house_.waiting() == 0; })) << house_.server.log();
  const Answer there = followed(house_, std::string(kept.json().at("url").as_string()));
  EXPECT_EQ(there.status, 200);
  EXPECT_TRUE(there.body.starts_with("\x89PNG"));
  EXPECT_EQ(house_.client().get("/api/v1/storage/usage", house_.ann.token).json().at("files"), 1);
  EXPECT_EQ(house_.run({"files", "verify"}).exit_code, 0);
  EXPECT_EQ(house_.run({"db", "verify"}).exit_code, 0);
}

TEST_F(DirectUploads, AreCompletedWhereTheyBeganWhenTheSettingsChange) {
  const json::value first = begun(picture_.size()), second = begun(picture_.size());
  ASSERT_EQ(put(first, picture_), 200);
  ASSERT_EQ(put(second, picture_), 200);
  ASSERT_EQ(house_.store_in(bucket_, {{"base_path", "two/"}}).status, 200);
  EXPECT_TRUE(std::string(begun(100).at("url").as_string()).contains("/two/incoming/"));
  const std::int64_t removed = bucket_.count("delete");
  EXPECT_EQ(complete(first).status, 200);
  EXPECT_EQ(bucket_.count("delete"), removed + 1);
  EXPECT_EQ(house_.client().send({.method = "DELETE", .path = path_of(second), .token = house_.ann.token, .headers = {{"Tus-Resumable", "1.0.0"}}}).status, 204);
  EXPECT_EQ(bucket_.count("delete"), removed + 2);
}

TEST_F(DirectUploads, HoldForTheAnnouncedLengthAndTypeOnly) {
  const json::value given = begun(picture_.size());
  EXPECT_EQ(put(given, picture_ + "x"), 403);
  EXPECT_EQ(put(given, picture_, "image/jpeg"), 403);
  EXPECT_EQ(complete(given).code(), "upload_incomplete");
  std::string damaged = picture_;
  damaged.back() ^= 1;
  ASSERT_EQ(put(given, damaged), 200);
  EXPECT_EQ(complete(given, {{"sha256", crypto::sha256_hex(picture_)}}).code(), "wrong_sha256");
  EXPECT_EQ(complete(given).code(), "upload_incomplete") << "the wrong one is gone";
  ASSERT_EQ(put(given, picture_), 200);
  EXPECT_EQ(complete(given, {{"sha256", crypto::sha256_hex(picture_)}}).status, 200);
}

TEST_F(DirectUploads, AreJudgedByTheirBytes) {
  const json::value page = begun(1000);
  ASSERT_EQ(put(page, "<html>" + std::string(994, 'x')), 200);
  EXPECT_EQ(complete(page).status, 415);
  EXPECT_EQ(complete(page).status, 404) << "it is given up";
  const json::value half = begun(picture_.size() / 2);
  ASSERT_EQ(put(half, picture_.substr(0, picture_.size() / 2)), 200);
  EXPECT_EQ(complete(half).code(), "broken_image");
  // As a video it may be long, but it is a picture.
  const std::string large = png_of_bytes(10 * 1024 * 1024 + 1);
  EXPECT_EQ(begin({{"size", large.size()}, {"kind", "image"}}).status, 413);
  const json::value given = begun(large.size(), "any");
  ASSERT_EQ(put(given, large), 200);
  EXPECT_EQ(complete(given).status, 413);
  EXPECT_EQ(begin({{"size", 100 * 1024 * 1024}, {"kind", "video"}}).status, 200);
  EXPECT_EQ(begin({{"size", 100 * 1024 * 1024 + 1}, {"kind", "video"}}).status, 413);
}

TEST_F(DirectUploads, CountAgainstTheQuota) {
  set_rules({{"user_bytes", 1'000'000}});
  EXPECT_EQ(begin({{"size", 1'000'000}}).status, 200);
  EXPECT_EQ(begin({{"size", 1'000'001}}).code(), "storage_quota");
  const json::value given = begun(picture_.size());
  ASSERT_EQ(put(given, picture_), 200);
  set_rules({{"user_bytes", 10}});
  EXPECT_EQ(complete(given).code(), "storage_quota");
  set_rules({{"user_bytes", 0}});
  EXPECT_EQ(complete(given).status, 200) << "it waited for room";
}

TEST_F(DirectUploads, SayWhatIsWrongWithARequest) {
  EXPECT_EQ(first_loc(begin({{"kind", "image"}})), "body/size");
  EXPECT_EQ(first_loc(begin({{"size", 0}})), "body/size");
  EXPECT_EQ(first_loc(begin({{"size", 5}, {"kind", "spreadsheet"}})), "body/kind");
  EXPECT_EQ(first_loc(begin({{"size", 5}, {"content_type", "png\r\nX: y"}})), "body/content_type");
  const json::value given = begun(100);
  EXPECT_EQ(first_loc(complete(given, {{"sha256", "xyz"}})), "body/sha256");
  for (const std::string& path : {std::string("/api/v1/uploads/direct"), path_of(given) + "/complete"})
    EXPECT_EQ(house_.client().send({.method = "POST", .path = path, .token = house_.ann.token, .body = "{", .headers = {{"Content-Type", "application/json"}}}).status, 400);
}

TEST_F(DirectUploads, AreAHundredOpenPerUser) {
  for (int i = 0; i < 100; ++i) ASSERT_EQ(begin({{"size", 5}}).status, 200) << i;
  EXPECT_EQ(begin({{"size", 5}}).code(), "too_many_uploads");
}

TEST_F(DirectUploads, CanBeGivenUp) {
  const json::value given = begun(picture_.size());
  ASSERT_EQ(put(given, picture_), 200);
  EXPECT_EQ(house_.client().send({.method = "DELETE", .path = path_of(given), .token = house_.ann.token, .headers = {{"Tus-Resumable", "1.0.0"}}}).status, 204);
  EXPECT_EQ(complete(given).status, 404);
}

TEST_F(DirectUploads, SurviveAKillOfTheServerAndAnAbsenceOfTheStore) {
  const json::value given = begun(picture_.size());
  house_.server.kill();
  ASSERT_EQ(put(given, picture_), 200) << "nobody but the store is needed for it";
  house_.server.start();
  EXPECT_EQ(complete(given).status, 200);
  const json::value other = begun(picture_.size());
  bucket_.end();
  const Answer away = complete(other);
  EXPECT_EQ(away.status, 503) << away.body;
  EXPECT_EQ(away.code(), "store_unavailable");
  bucket_.start();
  EXPECT_EQ(complete(other).code(), "upload_incomplete");
}

TEST_F(DirectUploads, AreRefusedWhereTheServerTakesFilesItself) {
  const Answer local = api().post("/api/v1/uploads/direct", somebody().token, {{"size", 100}});
  EXPECT_EQ(local.status, 409);
  EXPECT_EQ(local.code(), "direct_upload_unsupported");
  EXPECT_NE(local.body.find("/api/v1/uploads"), std::string::npos) << "it names the way that is open";
  ASSERT_EQ(house_.store_in(bucket_, {{"delivery", "proxy"}}).status, 200);
  EXPECT_EQ(begin({{"size", 100}}).code(), "direct_upload_unsupported");
}

}  // namespace
}  // namespace fluxgate::integration

// Uploads by both clients' protocols (spec/upstream-fal.md §6).
#include "sandbox/picture.h"
#include "sandbox_fixture.h"

namespace fluxgate::sandbox {
namespace {

class UploadTest : public SandboxTest {
 protected:
  void SetUp() override { start({.latency_scale = 0}); }

  json::object initiate(std::string name = "cat.png") {
    return object_of(send("POST", "/storage/upload/initiate?storage_type=fal-cdn-v3",
                          json::serialize(json::object{{"content_type", "image/png"}, {"file_name", name}})));
  }
  net::Reply put(std::string url, std::string bytes) {
    anonymous_ = true;
    return send("PUT", std::move(url), std::move(bytes));
  }

  const std::string picture_ = *paint_picture({.size = {96, 64}, .format = "png"});
};

TEST_F(UploadTest, TakesTwoStepsAndServesTheFile) {
  auto links = initiate();
  ASSERT_EQ(put(text_of(links, "upload_url"), picture_)->status, 200);
  anonymous_ = true;
  auto file = get(text_of(links, "file_url"));
  EXPECT_EQ(file->status, 200);
  EXPECT_EQ(file->header("content-type"), "image/png");
  EXPECT_EQ(file->body, picture_);
}

TEST_F(UploadTest, FeedsTheModels) {
  auto links = initiate();
  put(text_of(links, "upload_url"), picture_);
  auto result = object_of(finished({{"prompt", "a"}, {"image_url", text_of(links, "file_url")}},
                                   "fal-ai/flux-1/dev/image-to-image"));
  EXPECT_EQ(result.at("images").at(0).at("width"), 96);
  auto missing = initiate();
  EXPECT_EQ(
      finished({{"prompt", "a"}, {"image_url", text_of(missing, "file_url")}}, "fal-ai/flux-pro/kontext")
          ->status,
      422)
      << "a link without a file behind it";
}

TEST_F(UploadTest, JoinsTheParts) {
  auto links = object_of(send("POST", "/storage/upload/initiate-multipart?storage_type=fal-cdn-v3", "{}"));
  std::string url = text_of(links, "upload_url");
  auto inserted = [&](std::string_view piece) { return std::string(url).insert(url.find('?'), piece); };
  auto first = object_of(put(inserted("/1"), picture_.substr(0, 100)));
  EXPECT_EQ(first.at("partNumber"), 1);
  EXPECT_TRUE(text_of(first, "etag").starts_with('"'));
  put(inserted("/2"), picture_.substr(100));
  anonymous_ = true;
  EXPECT_EQ(send("POST", inserted("/complete"), R"({"parts":[{"partNumber":1},{"partNumber":2}]})")->status,
            200);
  EXPECT_EQ(get(text_of(links, "file_url"))->body, picture_);
}

TEST_F(UploadTest, SpeaksThePythonProtocolToo) {
  auto token = object_of(send("POST", "/storage/auth/token?storage_type=fal-cdn-v3", "{}"));
  EXPECT_TRUE(text_of(token, "expires_at").ends_with("+00:00"));
  EXPECT_EQ(text_of(token, "base_url"), base());
  auto whole = object_of(send("POST", "/files/upload", picture_, {{"X-Fal-File-Name", "cat.png"}}));
  EXPECT_EQ(get(text_of(whole, "access_url"))->body, picture_);
  auto parts = object_of(send("POST", "/files/upload/multipart", ""));
  std::string url = fmt::format("{}/multipart/{}", text_of(parts, "access_url"), text_of(parts, "uploadId"));
  EXPECT_NE(put(url + "/1", picture_)->header("etag"), "");
  EXPECT_EQ(send("POST", url + "/complete", R"({"parts":[{"partNumber":1}]})")->status, 200);
  EXPECT_EQ(get(text_of(parts, "access_url"))->body, picture_);
}

TEST_F(UploadTest, NeedsAKeyToBeginAndAKnownNameToPut) {
  anonymous_ = true;
  EXPECT_EQ(send("POST", "/storage/upload/initiate", "{}")->status, 401);
  EXPECT_EQ(put("/storage/put/..%2f..%2fetc/passwd", "x")->status, 400);
  EXPECT_EQ(put("/storage/put/passwd/x", "x")->status, 404);
}

TEST_F(UploadTest, FaultsHaveTheirForms) {
  EXPECT_TRUE(initiate("cat[fault:upload-initiate-403].png").contains("detail"));
  EXPECT_EQ(put(text_of(initiate("[fault:upload-put-403].png"), "upload_url"), "x")->status, 403);
  EXPECT_EQ(put(text_of(initiate("[fault:upload-put-500].png"), "upload_url"), "x")->status, 500);
  start({.latency_scale = 0, .faults = {"upload-unreadable;times=1", "upload-no-etag"}});
  auto links = initiate();
  EXPECT_EQ(put(text_of(links, "upload_url"), picture_)->header("etag"), "");
  EXPECT_EQ(get(text_of(links, "file_url"))->status, 404);
  EXPECT_EQ(get(text_of(links, "file_url"))->status, 200);
}

}  // namespace
}  // namespace fluxgate::sandbox

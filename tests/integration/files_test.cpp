#include <fmt/format.h>

#include "base/crypto.h"
#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

constexpr std::size_t kLimit = 10 * 1024 * 1024;

Answer upload(const Person& person, std::vector<Part> parts, const std::string& endpoint = "upload-image") {
  return api().send({.method = "POST",
                     .path = "/api/v1/flux/" + endpoint,
                     .token = person.token,
                     .parts = std::move(parts)});
}

TEST(Uploads, ArePublishedUnderASignedLink) {
  const Person ann = somebody();
  const Answer answer = upload(ann, {{"file", "holiday.exe", png(40, 30), "application/x-msdownload"}});
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json().at("content_type"), "image/png") << "what it is decides, not what it is called";
  EXPECT_EQ(answer.json().at("width"), 40);
  const Answer file = api().get(std::string(answer.json().at("url").as_string()));
  EXPECT_EQ(file.status, 200);
  EXPECT_EQ(file.header("content-type"), "image/png");
  EXPECT_EQ(file.header("x-content-type-options"), "nosniff");
}

TEST(Uploads, TakeTenMebibytesAndNotAByteMore) {
  const Person ann = somebody();
  const std::string largest = png_of_bytes(kLimit);
  ASSERT_EQ(largest.size(), kLimit);
  EXPECT_EQ(upload(ann, {{"file", "a.png", largest, "image/png"}}).status, 200);
  for (const std::size_t more : {1, 1024 * 1024}) {  // the second is refused by its announced length
    const Answer refused = upload(ann, {{"file", "a.png", png_of_bytes(kLimit + more), "image/png"}});
    EXPECT_EQ(refused.status, 413) << refused.body;
    EXPECT_EQ(refused.code(), "file_too_large");
    EXPECT_EQ(refused.json().at("limit"), kLimit);
    EXPECT_EQ(refused.json().at("detail"), "The file is larger than 10 MiB.");
  }
}

TEST(Uploads, AreJudgedByTheirBytes) {
  const Person ann = somebody();
  for (const std::string& bytes :
       {std::string("just text"), std::string("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
        std::string("%PDF-1.7 and so on")}) {
    const Answer refused = upload(ann, {{"file", "a.png", bytes, "image/png"}});
    EXPECT_EQ(refused.status, 415) << bytes << refused.body;
  }
  const Answer broken = upload(ann, {{"file", "a.png", "\x89PNG\r\n\x1a\nbroken from here", "image/png"}});
  EXPECT_EQ(broken.status, 422) << broken.body;
  EXPECT_EQ(first_loc(broken), "body/file");
}

TEST(Uploads, NameTheMissingPart) {
  const Person ann = somebody();
  EXPECT_EQ(first_loc(upload(ann, {{"picture", "a.png", png(8, 8), "image/png"}})), "body/file");
  EXPECT_EQ(first_loc(upload(ann, {{"file", "", "a plain field"}})), "body/file");
  EXPECT_EQ(first_loc(upload(ann, {{"file", "a.png", ""}})), "body/file");
  EXPECT_EQ(first_loc(upload(ann, {{"file", "a.png", png(8, 8)}}, "upload-images")), "body/files");
}

std::string first_type(const Answer& answer) {
  const json::value body = answer.json();
  return body.at("detail").is_array() ? std::string(body.at("detail").at(0).at("type").as_string()) : "";
}

TEST(Uploads, ThatAreEmptyAreRefused) {
  const Person ann = somebody();
  const std::tuple<const char*, std::vector<Part>, const char*> empty[] = {
      {"flux/upload-image", {{"file", "a.png", "", "image/png"}}, "body/file"},
      {"flux/upload-images", {{"files", "a.png", png(8, 8), "image/png"}, {"files", "b.png", "", "image/png"}}, "body/files/1"},
      {"kling-lip-sync/upload-video", {{"video", "a.mp4", "", "video/mp4"}}, "body/video"},
      {"kling-lip-sync/upload-audio", {{"audio", "a.mp3", "", "audio/mpeg"}}, "body/audio"}};
  for (const auto& [path, parts, loc] : empty) {
    const Answer refused = api().send({.method = "POST", .path = std::string("/api/v1/") + path, .token = ann.token, .parts = parts});
    EXPECT_EQ(refused.status, 422) << refused.body;
    EXPECT_EQ(first_loc(refused), loc);
    EXPECT_EQ(first_type(refused), "empty_file");
  }
  EXPECT_EQ(upload(ann, {{"file", "a.png", png(1, 1), "image/png"}}).status, 200) << "a pixel is not nothing";
}

TEST(Uploads, OfManyAreAllOrNone) {
  const Person ann = somebody();
  const auto parts = [](std::size_t count) {
    std::vector<Part> list;
    for (std::size_t i = 0; i < count; ++i)
      list.push_back({"files", fmt::format("{}.png", i), png(10, static_cast<int>(10 + i)), "image/png"});
    return list;
  };
  const auto stored = [] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data_folder() / "files"))
      count += entry.is_regular_file() ? 1 : 0;
    return count;
  };
  const Answer ten = upload(ann, parts(10), "upload-images");
  ASSERT_EQ(ten.status, 200) << ten.body;
  ASSERT_EQ(ten.json().as_array().size(), 10u);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ten.json().at(i).at("height"), 10 + i) << "in the order sent";
  const std::size_t before = stored();
  const Answer eleven = upload(ann, parts(11), "upload-images");
  EXPECT_EQ(eleven.status, 422);
  EXPECT_EQ(first_loc(eleven), "body/files");
  EXPECT_EQ(stored(), before);

  // Of two bad ones the first is told, whichever was looked at first.
  std::vector<Part> bad = parts(10);
  for (const std::size_t at : {3, 7}) bad[at].bytes.resize(bad[at].bytes.size() - 20);
  const auto files = [&] { return api().get("/api/v1/storage/usage", ann.token).json().at("files"); };
  const auto kept = files();
  const Answer refused = upload(ann, bad, "upload-images");
  EXPECT_EQ(refused.status, 422) << refused.body;
  EXPECT_EQ(first_loc(refused), "body/files/3");
  EXPECT_EQ(first_type(refused), "broken_image");
  EXPECT_EQ(files(), kept);
}

TEST(Uploads, InsideASubmitAreRefusedAtTheirPlace) {
  const Person ann = somebody();
  const auto uri = [](const std::string& bytes) { return "data:image/png;base64," + crypto::base64(bytes); };
  const std::string good = uri(png(30, 31)), cut = uri(png(30, 31).substr(0, 40));
  const struct {
    const char* path;
    json::object body;
    const char* loc;
    const char* type;
  } wrongs[] = {
      {"image-to-image", {{"model", "fal-ai/flux-1/dev/image-to-image"}, {"prompt", "x"}, {"image_url", cut}}, "body/image_url", "broken_image"},
      {"image-to-image", {{"model", "fal-ai/flux-1/dev/image-to-image"}, {"prompt", "x"}, {"image_url", uri("<html>")}}, "body/image_url", "image_type"},
      {"multi-image-edit", {{"model", "fal-ai/flux-pro/kontext/multi"}, {"prompt", "x"}, {"image_urls", {good, cut}}}, "body/image_urls/1", "broken_image"}};
  for (const auto& [path, body, loc, type] : wrongs) {
    const Answer refused = api().post(std::string("/api/v1/flux/") + path, ann.token, body);
    EXPECT_EQ(refused.status, 422) << refused.body;
    EXPECT_EQ(first_loc(refused), loc);
    EXPECT_EQ(first_type(refused), type);
  }
}

TEST(Uploads, ABodyThatEndsHalfWayIsRefused) {
  const Person ann = somebody();
  const Answer refused = api().send(
      {.method = "POST",
       .path = "/api/v1/flux/upload-image",
       .token = ann.token,
       .body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\nhalf",
       .headers = {{"Content-Type", "multipart/form-data; boundary=b"}}});
  EXPECT_EQ(refused.status, 400) << refused.body;
}

class Files : public testing::Test {
 protected:
  void SetUp() override { link_ = uploaded(ann_); }
  std::string bare() const { return link_.substr(0, link_.find('?')); }

  Person ann_ = somebody();
  std::string link_;
};

TEST_F(Files, ComeWholeInPartsOrNotAtAllWhenKnown) {
  const Answer whole = api().get(link_);
  ASSERT_EQ(whole.status, 200);
  EXPECT_NE(whole.header("cache-control").find("immutable"), std::string::npos);
  const Answer part = api().send({.path = link_, .headers = {{"Range", "bytes=1-3"}}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "PNG");
  EXPECT_EQ(api().send({.path = link_, .headers = {{"Range", "bytes=99999999-"}}}).status, 416);
  const Answer several = api().send({.path = link_, .headers = {{"Range", "bytes=0-0,2-3"}}});
  EXPECT_EQ(several.status, 200) << "RFC 9110 §14.2: the whole, to those who want several";
  EXPECT_EQ(several.body, whole.body);
  EXPECT_EQ(api().send({.path = link_, .headers = {{"If-None-Match", whole.header("etag")}}}).status, 304);
  EXPECT_EQ(api().send({.path = link_, .headers = {{"If-Match", "\"another\""}, {"Range", "bytes=1-3"}}}).status, 412);
  EXPECT_EQ(api().send({.path = link_, .headers = {{"If-Match", whole.header("etag")}, {"Range", "bytes=1-3"}}}).body, "PNG");
}

TEST_F(Files, HavePreviewsInThreeSizes) {
  for (const char* side : {"320", "640", "1280"}) {
    const Answer preview = api().get(link_ + "&w=" + side);
    EXPECT_EQ(preview.status, 200) << side;
    EXPECT_EQ(preview.header("content-type"), "image/webp");
  }
  EXPECT_EQ(first_loc(api().get(link_ + "&w=300")), "query/w");
}

TEST_F(Files, AreSavedUnderTheirNameWhenAskedFor) {
  EXPECT_TRUE(api().get(link_).header("content-disposition").starts_with("inline; filename=\"flux_input_"));
  EXPECT_TRUE(api()
                  .get(link_ + "&download=1")
                  .header("content-disposition")
                  .starts_with("attachment; filename=\"20"));
}

TEST_F(Files, NeedTheirSignatureOrTheirOwner) {
  EXPECT_EQ(api().get(bare()).status, 401);
  EXPECT_EQ(api().get(bare(), ann_.token).status, 200);
  EXPECT_EQ(api().get(bare(), admin().token).status, 200);
  EXPECT_EQ(api().get(bare(), somebody().token).status, 404);
  std::string forged = link_;
  forged.back() = forged.back() == 'A' ? 'B' : 'A';
  EXPECT_EQ(api().get(forged).status, 404);
  EXPECT_EQ(api().get(bare() + "?e=1&s=").status, 404);
}

}  // namespace
}  // namespace fluxgate::integration

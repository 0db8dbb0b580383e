// Keeping results and uploads.
#include "base/crypto.h"
#include "files/blob_store.h"
#include "files/imaging.h"
#include "files_fixture.h"

namespace fluxgate::files {
namespace {

TEST_F(FilesTest, KeepsAResultByteForByteUnderItsHash) {
  const std::string png = draw({});
  const auto stored = put(Purpose::result, png);
  ASSERT_TRUE(stored) << stored.error().code();
  const std::string hash = crypto::sha256_hex(png);
  EXPECT_EQ(stored->sha256, hash);
  EXPECT_EQ(stored->key, hash.substr(0, 2) + "/" + hash.substr(2, 2) + "/" + hash + ".png");
  EXPECT_EQ(stored->size, png.size());
  EXPECT_EQ(stored->mime, "image/png");
  EXPECT_EQ(content(stored->key), png);
  EXPECT_EQ(stored->width, 64);
  EXPECT_EQ(stored->height, 48);
  EXPECT_EQ(stored->dominant_color, "#dc141e");
  EXPECT_FALSE(stored->thumbhash.empty());
  EXPECT_EQ(files_in("tmp"), 0);
}

TEST_F(FilesTest, KeepsEqualBytesOnce) {
  const std::string png = draw({});
  const auto first = put(Purpose::result, png);
  const auto second = put(Purpose::result, png, 1);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->key, second->key);
  EXPECT_EQ(files_in(""), 1);
}

TEST_F(FilesTest, KnowsEveryFormatOfResultsByContent) {
  for (const auto& [suffix, mime] : {std::pair{".png", "image/png"},
                                     {".jpg", "image/jpeg"},
                                     {".webp", "image/webp"},
                                     {".gif", "image/gif"}}) {
    const auto stored = put(Purpose::result, draw({.suffix = suffix}));
    ASSERT_TRUE(stored) << suffix;
    EXPECT_EQ(stored->mime, mime);
    EXPECT_EQ(stored->width, 64) << suffix;
  }
  const auto film = put(Purpose::result, std::string("\0\0\0\x18"
                                                     "ftypisom\0\0\2\0isommp42",
                                                     24) +
                                             std::string(1000, 'x'));
  ASSERT_TRUE(film);
  EXPECT_EQ(film->mime, "video/mp4");
  EXPECT_EQ(film->width, 0);
  const auto webm = put(Purpose::result, "\x1A\x45\xDF\xA3\x01\x42\x82\x84webm" + std::string(300, 'x'));
  ASSERT_TRUE(webm);
  EXPECT_EQ(webm->mime, "video/webm");
}

TEST_F(FilesTest, KeepsAResultThatCannotBeDecoded) {
  const auto stored = put(Purpose::result, draw({}).substr(0, 60));
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->mime, "image/png");
  EXPECT_EQ(stored->thumbhash, "");
}

TEST_F(FilesTest, RefusesResultsThatAreNoMedia) {
  EXPECT_EQ(refusal(Purpose::result, "<!DOCTYPE html><html><body>Not found</body></html>"),
            "unsupported_image");
  EXPECT_EQ(refusal(Purpose::result, R"({"detail": "expired"})"), "unsupported_image");
  EXPECT_EQ(refusal(Purpose::result, ""), "empty_file");
  EXPECT_EQ(files_in(""), 0);
}

TEST_F(FilesTest, RefusesByTheFirstBytesWithoutWaitingForTheRest) {
  auto incoming = files_->begin(Purpose::upload);
  const auto written = incoming->write("<svg xmlns='http://www.w3.org/2000/svg'>" + std::string(500, ' '));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().errc(), Errc::unsupported_media);
  EXPECT_EQ(written.error().context().at("received").as_string(), "image/svg+xml");
  EXPECT_FALSE(incoming->write("more"));
  EXPECT_FALSE(wait(incoming->finish()));
}

TEST_F(FilesTest, TakesAFileUpToTheLimitAndNotOneByteMore) {
  const std::string png = draw({});
  for (const auto purpose : {Purpose::upload, Purpose::result}) {
    auto& limit = purpose == Purpose::upload ? options_.upload_limit : options_.result_limit;
    limit = png.size();
    open();
    EXPECT_TRUE(put(purpose, png));
    const auto refused = put(purpose, png + "x");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().errc(), Errc::payload_too_large);
    EXPECT_EQ(refused.error().context().at("limit").to_number<std::uint64_t>(), png.size());
  }
  EXPECT_EQ(files_in("tmp"), 0);
}

TEST_F(FilesTest, ForgetsAFileThatIsNotFinished) {
  {
    auto incoming = files_->begin(Purpose::result);
    ASSERT_TRUE(incoming->write(draw({})));
    EXPECT_EQ(files_in("tmp"), 1);
  }
  EXPECT_EQ(files_in(""), 0);
}

TEST_F(FilesTest, FinishesOnce) {
  auto incoming = files_->begin(Purpose::result);
  ASSERT_TRUE(incoming->write(draw({})));
  ASSERT_TRUE(wait(incoming->finish()));
  EXPECT_FALSE(wait(incoming->finish()));
  EXPECT_FALSE(incoming->write("x"));
}

TEST_F(FilesTest, SweepsOnlyWhatWasLeftLongAgo) {
  const auto left = directory_ / "tmp" / "left", fresh = directory_ / "tmp" / "fresh";
  for (const auto& path : {left, fresh}) std::ofstream(path) << "x";
  std::filesystem::last_write_time(left,
                                   std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
  files_->sweep();
  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_TRUE(std::filesystem::exists(fresh));
}

TEST_F(FilesTest, TrustsNoKeyThatIsNone) {
  const std::string hash(64, 'a');
  EXPECT_TRUE(is_key("aa/aa/" + hash + ".png"));
  for (const std::string& key :
       {std::string(), std::string("../../etc/passwd"), "aa/ab/" + hash + ".png", "aa/aa/" + hash + ".p/g",
        "aa/aa/" + hash + "..", "aa/aa/" + std::string(64, 'A') + ".png"})
    EXPECT_EQ(files_->path_of(key), "") << key;
}

// ---- uploads ----

TEST_F(FilesTest, TurnsAnUploadUprightAndRemovesItsMetadata) {
  for (const char* suffix : {".jpg", ".webp"}) {
    const std::string given = draw({.suffix = suffix, .orientation = 6});
    ASSERT_TRUE(look(given).has_position) << suffix;
    const auto stored = put(Purpose::upload, given);
    ASSERT_TRUE(stored) << suffix;
    const Look kept = look(content(stored->key));
    EXPECT_EQ(kept.width, 48) << suffix;
    EXPECT_EQ(kept.height, 64);
    EXPECT_TRUE(kept.blue_top);
    EXPECT_FALSE(kept.has_position) << suffix;
    EXPECT_EQ(stored->width, 48);
    EXPECT_EQ(stored->sha256, crypto::sha256_hex(content(stored->key)));
    EXPECT_EQ(stored->size, content(stored->key).size());
  }
}

TEST_F(FilesTest, KeepsTheFormatOfAnUploadWhereUpstreamsTakeIt) {
  for (const auto& [suffix, mime] : {std::pair{".png", "image/png"},
                                     {".jpg", "image/jpeg"},
                                     {".webp", "image/webp"},
                                     {".gif", "image/png"},
                                     {".avif", "image/jpeg"},
                                     {".heic", "image/jpeg"}}) {
    const auto stored = put(Purpose::upload, draw({.suffix = suffix}));
    ASSERT_TRUE(stored) << suffix;
    EXPECT_EQ(stored->mime, mime);
    EXPECT_TRUE(look(content(stored->key)).blue_left) << suffix;
  }
}

TEST_F(FilesTest, KeepsTransparency) {
  const auto stored = put(Purpose::upload, draw({.alpha = true}));
  ASSERT_TRUE(stored);
  EXPECT_EQ(look(content(stored->key)).bands, 4);
  const auto avif = put(Purpose::upload, draw({.suffix = ".avif", .alpha = true}));
  ASSERT_TRUE(avif);
  EXPECT_EQ(avif->mime, "image/png");
  EXPECT_EQ(look(content(avif->key)).bands, 4);
}

TEST_F(FilesTest, KeepsTheFirstFrameOfAnAnimation) {
  for (const char* suffix : {".gif", ".webp"}) {
    const std::string given = draw({.suffix = suffix, .frames = 3});
    ASSERT_EQ(look(given).pages, 3) << suffix;
    const auto stored = put(Purpose::upload, given);
    ASSERT_TRUE(stored) << suffix;
    EXPECT_EQ(stored->height, 48);
    EXPECT_EQ(look(content(stored->key)).pages, 1);
    EXPECT_TRUE(look(content(stored->key)).blue_left);
  }
}

TEST_F(FilesTest, RefusesUploadsThatAreNoPictures) {
  for (const std::string& bytes :
       {std::string("<svg/>"), std::string("<?xml version='1.0'?><svg xmlns='x'/>"),
        std::string("<!DOCTYPE html><html>"), std::string("%PDF-1.7 …"), std::string("BM1234"),
        std::string("II*\0abcd", 8), std::string("MM\0*abcd", 8),                                        // TIFF
        std::string("\0\0\1\0\1\0abcd", 10), std::string("\xFF\x0A jxl"), std::string("PK\3\4abcd", 8),  // ICO, JPEG XL, ZIP
        std::string("\0\0\0\x0CJXL \r\n\x87\n", 12),
        std::string("plain words"), std::string("\0\1\2\3", 4), std::string("GIF8"),
        std::string("\0\0\0\x18"
                    "ftypisom\0\0\2\0isommp42",
                    24)})
    EXPECT_EQ(refusal(Purpose::upload, bytes), "unsupported_image") << bytes;
  EXPECT_EQ(refusal(Purpose::upload, ""), "empty_file");
}

TEST_F(FilesTest, RefusesTruncatedUploads) {
  for (const char* suffix : {".png", ".jpg", ".webp", ".gif"}) {
    const std::string whole = draw({.width = 300, .height = 300, .suffix = suffix});
    EXPECT_EQ(refusal(Purpose::upload, whole.substr(0, whole.size() / 2)), "broken_image") << suffix;
    EXPECT_EQ(refusal(Purpose::upload, whole.substr(0, 20)), "broken_image") << suffix;
  }
  EXPECT_EQ(files_in(""), 0);
}

TEST_F(FilesTest, CountsPixelsBeforeDecoding) {
  const std::string png = draw({.width = 100, .height = 50});
  options_.max_pixels = 5000;
  open();
  EXPECT_TRUE(put(Purpose::upload, png));
  options_.max_pixels = 4999;
  open();
  EXPECT_EQ(refusal(Purpose::upload, png), "too_many_pixels");
  const auto result = put(Purpose::result, png);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->width, 0);
}

TEST_F(FilesTest, StopsDecodingThatTakesTooLong) {
  const std::string from = directory_ / "large.png", to = directory_ / "cleaned.png";
  std::ofstream(from, std::ios::binary) << draw({.width = 2000, .height = 2000});
  EXPECT_TRUE(clean_image(from, Format::png, to, {.max_seconds = 600}));
  const auto stopped = clean_image(from, Format::png, to, {.max_seconds = 0});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), "picture_too_slow");
}

TEST_F(FilesTest, AppliesAColourProfileBeforeDroppingIt) {
  const std::string given = draw({.suffix = ".png[profile=p3]"});
  ASSERT_TRUE(look(given).has_profile);
  const auto stored = put(Purpose::upload, given);
  const auto same = put(Purpose::upload, draw({}));
  ASSERT_TRUE(stored && same);
  EXPECT_FALSE(look(content(stored->key)).has_profile);
  EXPECT_NE(stored->dominant_color, "");
}

TEST_F(FilesTest, RefusesAHugePictureInAFewBytes) {
  std::string png = draw({});
  png.replace(16, 8, std::string("\0\1\0\0\0\1\0\0", 8));  // IHDR: 65536 × 65536
  EXPECT_NE(refusal(Purpose::upload, png), "taken");
}

}  // namespace
}  // namespace fluxgate::files

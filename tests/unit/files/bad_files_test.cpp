// The table of docs/uploads.md, row by row: what is refused and what is made harmless. (Truncated files, wrong
// types, too many pixels and turned pictures: store_test.cpp; films and sounds: film_test.cpp.)
#include <boost/crc.hpp>

#include "files/imaging.h"
#include "files_fixture.h"

namespace fluxgate::files {
namespace {

// In MB: what the process has now, and the most it had since its peak was forgotten (proc(5), clear_refs).
std::int64_t memory(std::string_view what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(what)) return std::stoll(line.substr(line.find(':') + 1)) / 1024;
  return 0;
}
void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

constexpr std::string_view kPage = "<html><script>alert(1)</script></html>";

TEST_F(FilesTest, DropsWhatHangsBehindAPicture) {
  const std::string zip = "PK\x03\x04" + std::string(26, '\0') + "evil.jar" + std::string(kPage);
  for (const char* suffix : {".png", ".jpg", ".webp", ".gif"}) {
    const auto stored = put(Purpose::upload, draw({.suffix = suffix}) + zip);
    if (std::string_view(suffix) == ".webp" && !stored) continue;  // refused is as good: its length is in its head
    ASSERT_TRUE(stored) << suffix << ' ' << stored.error().code();
    const std::string kept = content(stored->key);
    EXPECT_FALSE(kept.contains("evil.jar")) << suffix;
    EXPECT_FALSE(kept.contains("<script>")) << suffix;
    EXPECT_EQ(look(kept).width, 64) << suffix;
  }
}

TEST_F(FilesTest, DropsPagesHiddenInComments) {
  std::string jpeg = draw({.suffix = ".jpg"});
  const std::string comment = "\xFF\xFE" + std::string(1, '\0') + static_cast<char>(kPage.size() + 2) + std::string(kPage);
  jpeg.insert(2, comment);
  const auto stored = put(Purpose::upload, jpeg);
  ASSERT_TRUE(stored) << stored.error().code();
  EXPECT_FALSE(content(stored->key).contains("<script>"));
}

TEST_F(FilesTest, RefusesDrawingsThatCouldRunScripts) {
  const std::string svg = R"(<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>)";
  for (const std::string& bytes : {svg, "\xEF\xBB\xBF  " + svg, "<?xml version=\"1.0\"?><!-- x -->\n" + svg})
    for (const auto purpose : {Purpose::upload, Purpose::media_upload, Purpose::result})
      EXPECT_TRUE(refusal(purpose, bytes).starts_with("unsupported_")) << bytes;
  EXPECT_EQ(files_in(""), 0);
}

TEST_F(FilesTest, RefusesABodyThatOnlyBeginsLikeAPicture) {
  EXPECT_EQ(refusal(Purpose::upload, "\xFF\xD8\xFF" + std::string(kPage)), "broken_image");
  EXPECT_EQ(refusal(Purpose::upload, "GIF89a" + std::string(kPage)), "broken_image");
  EXPECT_EQ(refusal(Purpose::upload, "\x89PNG\r\n\x1A\n" + std::string(kPage)), "broken_image");
}

// Readers unpack such chunks when they are asked for no more than the size of the picture.
TEST_F(FilesTest, CountsWhatAPngHasPackedBesideItsPicture) {
  const auto chunk = [](const std::string& type, const std::string& data) {
    const std::string checked = type + data;
    boost::crc_32_type crc;
    crc.process_bytes(checked.data(), checked.size());
    const auto number = [](std::uint32_t n) {
      return std::string{static_cast<char>(n >> 24), static_cast<char>(n >> 16), static_cast<char>(n >> 8), static_cast<char>(n)};
    };
    return number(static_cast<std::uint32_t>(data.size())) + checked + number(crc.checksum());
  };
  const auto with = [&](const std::string& chunks) {
    std::string png = draw({});
    return png.insert(8 + 25, chunks);  // behind the signature and IHDR
  };
  using namespace std::string_literals;
  constexpr std::size_t kMost = 256 * 1024;
  for (const auto& [type, head] : {std::pair("zTXt", "a\0\0"s), std::pair("iTXt", "a\0\1\0\0\0"s), std::pair("iCCP", "a\0\0"s)}) {
    const std::string most = head + std::string(kMost - head.size(), 'x');
    EXPECT_EQ(refusal(Purpose::upload, with(chunk(type, most + "x"))), "too_much_metadata") << type;
    EXPECT_NE(refusal(Purpose::upload, with(chunk(type, most))), "too_much_metadata") << type;
  }
  const std::string half(kMost / 2 + 1, 'x');
  EXPECT_EQ(refusal(Purpose::upload, with(chunk("zTXt", half) + chunk("zTXt", half))), "too_much_metadata") << "in all";
  // What a studio writes into its pictures is not packed, and long.
  EXPECT_TRUE(put(Purpose::upload, with(chunk("tEXt", "workflow\0"s + std::string(2 * kMost, 'x')))));
  EXPECT_TRUE(put(Purpose::upload, with(chunk("iTXt", "workflow\0\0\0\0\0"s + std::string(2 * kMost, 'x')))));
}

TEST_F(FilesTest, CountsTheFramesOfAnAnimation) {
  for (const char* suffix : {".gif", ".webp"}) {
    const std::string animation = draw({.suffix = suffix, .frames = 3});
    options_.max_frames = 3;
    open();
    EXPECT_TRUE(put(Purpose::upload, animation)) << suffix;
    options_.max_frames = 2;
    open();
    EXPECT_EQ(refusal(Purpose::upload, animation), "too_many_frames") << suffix;
  }
}

// libjpeg keeps a picture whole, six bytes a pixel, to find better codes for it.
TEST_F(FilesTest, HoldsNoLargeJpegInMemory) {
  const auto from = directory_ / "large.jpg", to = directory_ / "clean.jpg";
  std::ofstream(from, std::ios::binary) << draw({.width = 70, .height = 70, .suffix = ".jpg", .times = 100});
  forget_peak();
  const std::int64_t before = memory("VmRSS");
  const auto kept = clean_image(from.string(), Format::jpeg, to.string(), {});
  ASSERT_TRUE(kept) << kept.error().code();
  EXPECT_LT(memory("VmHWM") - before, 100) << "MB, for 49 million pixels";
}

TEST_F(FilesTest, TurnsPrintersColoursIntoScreens) {
  const std::string given = draw({.suffix = ".jpg", .cmyk = true});
  ASSERT_EQ(look(given).bands, 4);
  const auto stored = put(Purpose::upload, given);
  ASSERT_TRUE(stored) << stored.error().code();
  const Look kept = look(content(stored->key));
  EXPECT_EQ(kept.bands, 3);
  EXPECT_TRUE(kept.blue_left);
}

TEST_F(FilesTest, KeepsEightBitsOfSixteen) {
  const std::string given = draw({.sixteen = true});
  ASSERT_FALSE(look(given).has_eight_bits);
  const auto stored = put(Purpose::upload, given);
  ASSERT_TRUE(stored) << stored.error().code();
  const Look kept = look(content(stored->key));
  EXPECT_TRUE(kept.has_eight_bits);
  EXPECT_TRUE(kept.blue_left);
}

}  // namespace
}  // namespace fluxgate::files

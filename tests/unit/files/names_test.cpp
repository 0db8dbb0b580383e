#include "files/names.h"

#include <gtest/gtest.h>

#include "files/mogr.h"

namespace fluxgate::files {
namespace {

TEST(Names, KeepWhatPeopleCanRead) {
  EXPECT_EQ(safe_name("holiday.png", "jpg", "x"), "holiday.jpg");
  EXPECT_EQ(safe_name("假期 照片.HEIC", "jpg", "x"), "假期 照片.jpg");
  EXPECT_EQ(safe_name("v1.2 final", "mp4", "x"), "v1.2 final.mp4");
  EXPECT_EQ(safe_name("", "jpg", "upload_1"), "upload_1.jpg");
  EXPECT_EQ(safe_name("...", "jpg", "upload_1"), "upload_1.jpg");
}

TEST(Names, AreNeverPaths) {
  for (const char* given : {"../../etc/passwd", "C:\\Windows\\passwd", "/etc/passwd", "a/b\\passwd"})
    EXPECT_EQ(safe_name(given, "png", "x"), "passwd.png") << given;
  EXPECT_EQ(safe_name("..", "png", "x"), "x.png");
  EXPECT_EQ(plain_name(std::string("a\0b\r\nc", 6)), "ab c");
  EXPECT_EQ(plain_name("a<b>:c|d?e*\"f"), "a_b__c_d_e__f");
}

TEST(Names, FoolNobody) {
  EXPECT_EQ(plain_name("cat\u202Egpj.exe"), "catgpj.exe") << "no mark that turns reading round";
  EXPECT_EQ(plain_name("a\u200Bb\uFEFFc"), "abc");
  EXPECT_EQ(plain_name("bad\xFF\xC0\xAFutf"), "badutf");
  EXPECT_EQ(plain_name("\xED\xA0\x80half"), "half") << "no surrogates";
  for (const char* device : {"CON", "nul", "Com1", "LPT9"}) EXPECT_TRUE(safe_name(device, "png", "x").starts_with('_')) << device;
  EXPECT_EQ(safe_name("console", "png", "x"), "console.png");
}

TEST(Names, HaveALimit) {
  std::string longest;
  for (int i = 0; i < 100; ++i) longest += "猫";
  const std::string name = safe_name(longest, "png", "x");
  EXPECT_LE(name.size(), 150u);
  EXPECT_GE(name.size(), 145u);
  EXPECT_EQ((name.size() - 4) % 3, 0u) << "whole characters";
}

constexpr Millis kNoon = 1'795'694'400'000;  // 2026-11-26T12:00:00Z

TEST(DownloadNames, TellDateAndPrompt) {
  EXPECT_EQ(download_name(kNoon, "a lighthouse at dawn", 0, "jpg"), "2026-11-26 a lighthouse at dawn.jpg");
  EXPECT_EQ(download_name(kNoon, "a lighthouse at dawn", 1, "jpg"), "2026-11-26 a lighthouse at dawn 2.jpg");
  EXPECT_EQ(download_name(kNoon, "黎明的灯塔", 0, "png"), "2026-11-26 黎明的灯塔.png");
  EXPECT_EQ(download_name(kNoon, "", 0, "mp4"), "2026-11-26.mp4");
  EXPECT_EQ(download_name(kNoon, "../a/b:\n\nc?", 0, "png"), "2026-11-26 _a_b_ c_.png");
}

TEST(DownloadNames, CutLongPromptsBetweenWords) {
  std::string words;
  for (int i = 0; i < 40; ++i) words += "lighthouse ";
  const std::string name = download_name(kNoon, words, 0, "png");
  EXPECT_EQ(name, "2026-11-26 lighthouse lighthouse lighthouse lighthouse lighthouse lighthouse lighthouse.png");
  std::string unbroken;
  for (int i = 0; i < 100; ++i) unbroken += "灯";
  EXPECT_LE(download_name(kNoon, unbroken, 11, "png").size(), 150u);
  EXPECT_TRUE(download_name(kNoon, unbroken, 11, "png").ends_with(" 12.png"));
}

TEST(Mogr, AsksForWhatOurOwnPreviewsAre) {
  const MogrSource picture{"image/png", 1000, 640, 480};
  EXPECT_EQ(mogr_preview(picture, 320, PreviewFormat::webp), "imageMogr2/thumbnail/320x320>/strip/format/webp/quality/80");
  EXPECT_EQ(mogr_preview(picture, 1280, PreviewFormat::avif), "imageMogr2/thumbnail/1280x1280>/strip/format/avif/quality/60");
}

TEST(Mogr, LeavesWhatTheServiceDoesNotTake) {
  constexpr std::uint64_t kMebibyte = 1024 * 1024;
  const auto taken = [](const MogrSource& source) { return mogr_preview(source, 320, PreviewFormat::webp).has_value(); };
  EXPECT_TRUE(taken({"image/jpeg", 32 * kMebibyte, 0, 0}));
  EXPECT_FALSE(taken({"image/jpeg", 32 * kMebibyte + 1, 0, 0}));
  EXPECT_TRUE(taken({"image/jpeg", 1, 30'000, 8'333}));
  EXPECT_FALSE(taken({"image/jpeg", 1, 30'001, 1}));
  EXPECT_FALSE(taken({"image/jpeg", 1, 30'000, 8'334}));
  EXPECT_FALSE(taken({"video/mp4", 1, 1, 1}));
}

}  // namespace
}  // namespace fluxgate::files

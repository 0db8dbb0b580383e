#include "db/adopt/values.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace fluxgate::db::adopt {
namespace {

constexpr Millis kNoon = 1'755'682'200'000;  // 2025-08-20 09:30:00 UTC

TEST(AdoptValues, ReadsTimesInEveryFormTheForkWrote) {
  const std::pair<const char*, Millis> cases[] = {
      {"1755682200", kNoon},                            // seconds
      {"1755682200.5", kNoon + 500},
      {"1755682200123", kNoon + 123},                   // milliseconds
      {"1755682200123456", kNoon + 123},                // microseconds
      {"1755682200123456789", kNoon + 123},             // nanoseconds
      {"2025-08-20 09:30:00", kNoon},
      {"2025-08-20 09:30", kNoon},
      {"2025-08-20T09:30:00.123456", kNoon + 123},
      {" 2025-08-20 09:30:00.5 ", kNoon + 500},
      {"2025-08-20T09:30:00Z", kNoon},
      {"2025-08-20 17:30:00+08:00", kNoon},
      {"2025-08-20 17:30:00+08", kNoon},
      {"2025-08-20 04:00:00-0530", kNoon},
      {"2025-08-20", kNoon - (9 * 60 + 30) * 60'000},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(time_of(text), expected) << text;
}

TEST(AdoptValues, TakesWhatIsNoTimeForAbsent) {
  for (const char* text : {"", " ", "0", "-5", "null", "yesterday", "2025-13-01", "2025-02-30 00:00:00", "2025-08-20 25:00:00",
                           "2025-08-20x09:30:00", "2025-08-20 09:30:00+99:00", "9e30", "nan", "2025-08"})
    EXPECT_EQ(time_of(text), std::nullopt) << text;
  EXPECT_EQ(time_of(std::nullopt), std::nullopt);
}

TEST(AdoptValues, TellsSecondsFromMillisecondsByTheirSize) {
  EXPECT_EQ(time_of("253402300799"), 253'402'300'799'000);  // the last second of 9999
  EXPECT_EQ(time_of("253402300800"), std::nullopt);
  EXPECT_EQ(time_of("1000000000000"), 1'000'000'000'000);   // 10^12: milliseconds
}

TEST(AdoptValues, RoundsCreditsToTheNearestThousandth) {
  const std::pair<const char*, std::int64_t> cases[] = {
      {"100", 100'000},    {"0.5", 500},      {"2.675", 2'675},     {"2.6754999", 2'675}, {"2.6755", 2'676},
      {"-3.25", -3'250},   {"-0.0005", -1},   {"99.99999999999", 100'000}, {"1e-05", 0},  {"1.5E2", 150'000},
      {"100.000000000000", 100'000},          {"0.30000000000000004", 300}, {"+7", 7'000},
      {"9000000000000", 9'000'000'000'000'000}, {"10000000000000", 10'000'000'000'000'000}, {"10000000000000.125", 10'000'000'000'000'125},
      {"100000000000000.0", 100'000'000'000'000'000}, {"1.0e+14", 100'000'000'000'000'000},
      {"999999999999999.999", 999'999'999'999'999'999}, {"-999999999999999", -999'999'999'999'999'000}};
  for (const auto& [text, expected] : cases) EXPECT_EQ(thousandths_of(text), expected) << text;
  for (const char* text : {"", "NaN", "Infinity", "ten", "1,5", "1000000000000000", "-1000000000000000", "1e15", "1e300"})
    EXPECT_EQ(thousandths_of(text), std::nullopt) << text;
}

TEST(AdoptValues, ReadsFlagsAndNumbersWhateverTheirColumnSays) {
  for (const char* yes : {"1", "t", "true", "TRUE", "True"}) EXPECT_EQ(flag_of(yes), true) << yes;
  for (const char* no : {"0", "f", "false", "FALSE"}) EXPECT_EQ(flag_of(no), false) << no;
  EXPECT_EQ(flag_of("maybe"), std::nullopt);
  EXPECT_EQ(flag_of(std::nullopt), std::nullopt);
  EXPECT_EQ(integer_of("5"), 5);
  EXPECT_EQ(integer_of("5.0"), 5);
  EXPECT_EQ(integer_of("5.5"), std::nullopt);
  EXPECT_EQ(integer_of("9223372036854775807"), 9'223'372'036'854'775'807);
  EXPECT_EQ(real_of("3.5"), 3.5);
  EXPECT_EQ(real_of("inf"), std::nullopt);
}

TEST(AdoptValues, ReadsProgressAsPercent) {
  EXPECT_EQ(percent_of("45%"), 45);
  EXPECT_EQ(percent_of("45"), 45);
  EXPECT_EQ(percent_of("99.5 %"), 99);
  EXPECT_EQ(percent_of("150%"), 100);
  EXPECT_EQ(percent_of("-1"), 0);
  EXPECT_EQ(percent_of("已提交"), 0);
  EXPECT_EQ(percent_of("处理中"), std::nullopt);
  EXPECT_EQ(percent_of("已完成"), 100);
  EXPECT_EQ(percent_of("未完成"), std::nullopt);
  EXPECT_EQ(percent_of(std::nullopt), std::nullopt);
}

TEST(AdoptValues, TakesTheWordNullForAbsentJson) {
  EXPECT_TRUE(json_of("null").is_null());
  EXPECT_TRUE(json_of("").is_null());
  EXPECT_TRUE(json_of(std::nullopt).is_null());
  EXPECT_TRUE(json_of("{broken").is_null());
  EXPECT_EQ(json_of("{\"a\": \"\\u4f60\"}").at("a").as_string(), "你");
}

TEST(AdoptValues, KnowsMaskedSecrets) {
  for (const char* mask : {"", "  ", "****", "abcdefgh****"}) EXPECT_TRUE(is_missing_secret(mask)) << mask;
  EXPECT_FALSE(is_missing_secret("fal-key:secret"));
}

TEST(AdoptValues, AcceptsOnlyLinksABrowserMayFollow) {
  EXPECT_EQ(link_of(" https://a.example/x.png?y=1 "), "https://a.example/x.png?y=1");
  for (const char* text : {"", "data:image/png;base64,AAAA", "javascript:alert(1)", "/files/x", "https://", "http://a b", "ftp://x/y"})
    EXPECT_EQ(link_of(text), "") << text;
  EXPECT_EQ(link_of("https://a/" + std::string(4086, 'x')).size(), 4096u);
  EXPECT_EQ(link_of("https://a/" + std::string(4087, 'x')), "");
}

TEST(AdoptValues, NamesFilesByTheirLinks) {
  EXPECT_EQ(mime_of_link("https://a.example/b/c.PNG?sig=.mp4", "image/jpeg"), "image/png");
  EXPECT_EQ(mime_of_link("https://a.png/noending", "image/jpeg"), "image/jpeg");
  EXPECT_EQ(file_name_of_link("https://a.example/b/c.png?x#y", "result"), "c.png");
  EXPECT_EQ(file_name_of_link("https://a.example", "result"), "result");
  EXPECT_EQ(file_name_of_link("https://a.example/b/", "result"), "result");
}

TEST(AdoptValues, WritesTimesAsTheFork) { EXPECT_EQ(datetime_text(kNoon + 123), "2025-08-20 09:30:00.123000"); }

}  // namespace
}  // namespace fluxgate::db::adopt

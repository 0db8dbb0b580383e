// Ids, times, languages, errors: the small things that everything stands on.
#include <algorithm>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/http_message.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/text.h"

namespace fluxgate {
namespace {

TEST(Ids, CarryTheirTimeAsRfc9562Says) {
  crypto::initialise();
  std::string id = new_id(0x017F22E279B0);
  EXPECT_TRUE(id.starts_with("017f22e2-79b0-7")) << id;
  EXPECT_NE(std::string_view("89ab").find(id[19]), std::string_view::npos) << "the variant, in " << id;
  EXPECT_TRUE(is_uuid(id));
}

TEST(Ids, SortByTimeAndNeverRepeat) {
  std::vector<std::string> ids;
  for (Millis now = 1'700'000'000'000; now < 1'700'000'002'000; ++now) ids.push_back(new_id(now));
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  std::set<std::string> same_moment;
  for (int i = 0; i < 2000; ++i) same_moment.insert(new_id(1'700'000'000'000));
  EXPECT_EQ(same_moment.size(), 2000u);
  std::vector<std::string> in_order;
  for (int i = 0; i < 3000; ++i) in_order.push_back(new_id(1'700'000'100'000));
  EXPECT_TRUE(std::is_sorted(in_order.begin(), in_order.end())) << "of one millisecond, as they were made";
}

TEST(Ids, KnowAUuidWhenTheySeeOne) {
  EXPECT_TRUE(is_uuid("0c9e6c1a-54b0-4c0e-9b57-6a1f6f0d2a11"));
  EXPECT_TRUE(is_uuid("0C9E6C1A-54B0-4C0E-9B57-6A1F6F0D2A11"));
  for (const char* text : {"", "0c9e6c1a54b04c0e9b576a1f6f0d2a11", "0c9e6c1a-54b0-4c0e-9b57-6a1f6f0d2a1",
                           "0c9e6c1a-54b0-4c0e-9b57-6a1f6f0d2a111", "0c9e6c1a-54b0-4c0e-9b57-6a1f6f0d2a1g",
                           "0c9e6c1a_54b0-4c0e-9b57-6a1f6f0d2a11", "{0c9e6c1a-54b0-4c0e-9b57-6a1f6f0d2a}"})
    EXPECT_FALSE(is_uuid(text)) << text;
}

TEST(Clock, WritesTimesAsOthersReadThem) {
  EXPECT_EQ(iso8601(0), "1970-01-01T00:00:00.000000");
  EXPECT_EQ(iso8601(1'767'225'600'007), "2026-01-01T00:00:00.007000");
  EXPECT_EQ(iso8601(1'709'164'800'000), "2024-02-29T00:00:00.000000");
  EXPECT_EQ(http_date(784'111'777'000), "Sun, 06 Nov 1994 08:49:37 GMT");  // RFC 9110's own example
}

TEST(Clock, RunsForward) {
  Millis before = system_clock().now_ms();
  EXPECT_GT(before, 1'700'000'000'000);
  EXPECT_GE(system_clock().now_ms(), before);
}

TEST(Language, IsTheOneThatTheCallerPrefers) {
  const std::pair<const char*, Language> headers[] = {
      {"", Language::en},
      {"*", Language::en},
      {"de, fr;q=0.8", Language::en},
      {"zh", Language::zh},
      {"ZH-cn", Language::zh},
      {"zh-Hans-CN,zh;q=0.9,en;q=0.8", Language::zh},
      {"en-US,en;q=0.9,zh;q=0.8", Language::en},
      {"en;q=0.3 , zh;q=0.7", Language::zh},
      {"zh;q=0, en", Language::en},
      {"zho", Language::en},
      {"z", Language::en},
      {",,;;q=,zh;q=x", Language::en},
  };
  for (const auto& [header, language] : headers) EXPECT_EQ(preferred_language(header), language) << header;
}

TEST(Language, FallsBackToEnglishWhereNothingIsTranslated) {
  Text text{"Hello", "你好"};
  EXPECT_EQ(text.in(Language::zh), "你好");
  EXPECT_EQ(text.in(Language::en), "Hello");
  EXPECT_EQ((Text{"Hello", ""}.in(Language::zh)), "Hello");
}

TEST(Errors, FixTheStatus) {
  const std::pair<Errc, int> statuses[] = {
      {Errc::bad_request, 400}, {Errc::unauthorized, 401},      {Errc::insufficient_credits, 402},
      {Errc::forbidden, 403},   {Errc::not_found, 404},         {Errc::method_not_allowed, 405},
      {Errc::conflict, 409},    {Errc::payload_too_large, 413}, {Errc::unsupported_media, 415},
      {Errc::invalid, 422},     {Errc::too_many_requests, 429}, {Errc::unavailable, 503},
      {Errc::upstream, 502},    {Errc::internal, 500}};
  for (const auto& [errc, status] : statuses) EXPECT_EQ(http_status(errc), status);
}

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Errc::invalid, "odd", {"It is odd.", "是奇数。"});
  return n / 2;
}
Result<int> quarter(int n) {
  FLUX_TRY(first, half(n));
  FLUX_TRY(second, half(first));
  return second;
}
Result<void> must_be_even(int n) {
  FLUX_CHECK(half(n));
  return {};
}

TEST(Errors, TravelThroughTry) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(6).error().code(), "odd");
  EXPECT_TRUE(must_be_even(2));
  EXPECT_EQ(must_be_even(3).error().errc(), Errc::invalid);
}

TEST(Errors, CarryWhatExplainsThem) {
  Error error = Error(Errc::too_many_requests, "slow_down", {"Slow down.", "请稍候。"})
                    .with("limit", 3)
                    .retry_after(7)
                    .log("for us only");
  EXPECT_EQ(error.context().at("limit").as_int64(), 3);
  EXPECT_EQ(error.retry_after_s(), 7);
  EXPECT_EQ(error.internal(), "for us only");
  Error invalid =
      Error::invalid({{"body", "num_images"}, "less_than_equal", {"Too many.", "过多。"}, {{"le", 4}}, 9});
  EXPECT_EQ(invalid.errc(), Errc::invalid);
  ASSERT_EQ(invalid.fields().size(), 1u);
  EXPECT_EQ(invalid.fields()[0].type, "less_than_equal");
}

TEST(HttpMessage, FindsTheFirstHeaderOfAName) {
  HttpResponse response{200, {{"a", "1"}, {"b", "2"}, {"a", "3"}}, ""};
  EXPECT_EQ(response.header("a"), "1");
  EXPECT_EQ(response.header("c"), "");
}

}  // namespace
}  // namespace fluxgate

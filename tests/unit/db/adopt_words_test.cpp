#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "db/adopt/bucket.h"
#include "db/adopt/entries.h"
#include "db/adopt/results.h"
#include "db/adopt/words.h"

namespace fluxgate::db::adopt {
namespace {

TEST(AdoptWords, EveryProvidersVocabulary) {
  for (const char* word : {"SUCCESS", "succeed", "COMPLETED", "Finished", "DONE"}) EXPECT_EQ(ended_by(word), Ended::succeeded) << word;
  for (const char* word : {"FAILED", "FAILURE", "failed", "ERROR"}) EXPECT_EQ(ended_by(word), Ended::failed) << word;
  for (const char* word : {"CANCELLED", "CANCELED", "CANCEL"}) EXPECT_EQ(ended_by(word), Ended::cancelled) << word;
  for (const char* word : {"", "PENDING", "IN_QUEUE", "IN_PROGRESS", "SUBMITTED", "NOT_START", "MODAL", "processing", "whatever"})
    EXPECT_EQ(ended_by(word), Ended::unfinished) << word;
}

TEST(AdoptBucket, FindsTheKeyOfAnObject) {
  const Bucket bucket{"old-125", "ap-beijing", "https://cdn.old.example/", true};
  EXPECT_EQ(bucket.key_in("https://cdn.old.example/generated/a.png"), "generated/a.png");
  EXPECT_EQ(bucket.key_in("http://cdn.old.example//generated/a.png?x=1"), "generated/a.png");
  EXPECT_EQ(bucket.key_in("https://old-125.cos.ap-beijing.myqcloud.com/generated/a.png"), "generated/a.png");
  EXPECT_EQ(bucket.key_in("https://cdn.old.example.evil/generated/a.png"), "");
  EXPECT_EQ(bucket.key_in("https://cdn.old.example"), "");
  EXPECT_EQ(Bucket{}.key_in("https://cdn.old.example/a.png"), "");
}

TEST(AdoptEntries, TellWhatWasMoved) {
  const auto amount = [](const char* detail) { return read_detail(boost::json::parse(detail)).amount; };
  EXPECT_EQ(amount(R"({"desc": "DreamWork: x", "usage": {"service": "dreamwork", "credits": 10}})"), -10'000);
  EXPECT_EQ(amount(R"({"desc": "DreamWork: x-error-refund", "usage": {"credits": 10}})"), 10'000);
  EXPECT_EQ(amount(R"({"desc": "口型", "usage": {"amount": 50, "reason": "失败退款"}})"), 50'000);
  EXPECT_EQ(amount(R"({"desc": "updated by CreditDeduct", "usage": {"total_price": "0.0125"}})"), -13);
  EXPECT_EQ(amount(R"({"desc": "MJ Admin 1 added 5 credits: gift", "usage": {"credits": 5}})"), 5'000);
  EXPECT_EQ(amount(R"({"desc": "MJ Admin 1 deducted 5 credits: fee", "usage": {"credits": 5}})"), -5'000);
  EXPECT_EQ(amount(R"({"desc": "redemption code received", "usage": {}})"), std::nullopt);
  EXPECT_EQ(amount(R"({"desc": 5, "usage": "x"})"), std::nullopt);
  EXPECT_EQ(amount("null"), std::nullopt);
}

TEST(AdoptEntries, AreNamedByWhoWroteThem) {
  EXPECT_EQ(entry_kind("redemption code received", 5), "redeem");
  EXPECT_EQ(entry_kind("payment success", 5), "grant");
  EXPECT_EQ(entry_kind("updated by Admin", -5), "grant");
  EXPECT_EQ(entry_kind("updated by CreditDeduct", -5), "capture");
  EXPECT_EQ(entry_kind("Midjourney: MJ-fast-imagine", -5), "capture");
  EXPECT_EQ(entry_kind("Midjourney: MJ-fast-imagine-refund", 5), "adjust");
}

TEST(AdoptResults, AreChosenOnce) {
  ResultSources from;
  from.url = "https://up.example/1.png";
  from.answer = boost::json::parse(R"({"images": [{"url": "https://up.example/1.png", "width": 10, "height": 20}, {"url": "https://up.example/2.png"},
                                                  {"url": "data:image/png;base64,AA"}, 5]})");
  auto chosen = choose_results(from, "image/jpeg");
  ASSERT_EQ(chosen.size(), 3u);
  EXPECT_EQ(chosen[2].data, "data:image/png;base64,AA");
  EXPECT_EQ(chosen[0].link, "https://up.example/1.png");
  EXPECT_EQ(chosen[0].width, 10);
  EXPECT_EQ(chosen[0].mime, "image/png");
  EXPECT_EQ(chosen[0].name, "1.png");

  OldResult copy;
  copy.file_id = "file";
  copy.link = "https://cdn.example/1";
  from.uploaded = {copy};
  EXPECT_EQ(choose_results(from, "image/jpeg")[0].file_id, "file");
  from.stored_url = "https://cdn.example/other";
  chosen = choose_results(from, "image/jpeg");
  EXPECT_EQ(chosen[0].link, "https://cdn.example/other");
  EXPECT_EQ(chosen[0].file_id, "");
  EXPECT_EQ(chosen[0].mime, "image/jpeg");

  EXPECT_TRUE(choose_results({}, "image/jpeg").empty());
  ResultSources inline_only;
  inline_only.url = "data:image/png;base64,AAAA";
  chosen = choose_results(inline_only, "image/jpeg");
  ASSERT_EQ(chosen.size(), 1u);
  EXPECT_EQ(chosen[0].data, inline_only.url);
  EXPECT_EQ(chosen[0].link, "");
}

}  // namespace
}  // namespace fluxgate::db::adopt

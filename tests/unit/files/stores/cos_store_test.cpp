// The COS store against the sandbox's bucket: objects, parts, failures, links.
#include "../pictures.h"
#include "files/mogr.h"
#include "store_fixture.h"

namespace fluxgate::files {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(CosTest, KeepsObjectsAndGivesThemBack) {
  start();
  auto settings = CosTest::settings();
  settings.prefix = "fluxgate/";
  const auto store = open(settings);
  const std::string bytes = noise(100'000);
  const auto put_facts = put(*store, "ab/生成 猫+(1).png", bytes);
  ASSERT_TRUE(put_facts) << code(put_facts);
  EXPECT_EQ(put_facts->size, bytes.size());
  EXPECT_THAT(cos_->keys(), ElementsAre("fluxgate/ab/生成 猫+(1).png"));
  EXPECT_THAT(cos_->hosts(), ElementsAre("studio-1250000000.cos.ap-guangzhou.myqcloud.com"));

  EXPECT_EQ(get(*store, "ab/生成 猫+(1).png").value(), bytes);
  EXPECT_EQ(get(*store, "ab/生成 猫+(1).png", Range{10, 19}).value(), bytes.substr(10, 10));
  EXPECT_EQ(get(*store, "ab/生成 猫+(1).png", Range{99'990}).value(), bytes.substr(99'990));
  EXPECT_EQ(code(get(*store, "ab/生成 猫+(1).png", Range{100'000})), "range_not_satisfiable");

  const auto facts = wait(store->head("ab/生成 猫+(1).png"));
  ASSERT_TRUE(facts) << code(facts);
  EXPECT_EQ(facts->size, bytes.size());
  EXPECT_EQ(facts->content_type, "image/png");
  EXPECT_EQ(facts->etag, put_facts->etag);
  EXPECT_EQ(facts->crc64, put_facts->crc64);
  EXPECT_GT(facts->modified_at, 0);

  EXPECT_TRUE(wait(store->remove("ab/生成 猫+(1).png")));
  EXPECT_TRUE(wait(store->remove("ab/生成 猫+(1).png")))
      << "there is none any more, which is what was asked for";
  EXPECT_EQ(code(wait(store->head("ab/生成 猫+(1).png"))), "object_missing");
  EXPECT_EQ(code(get(*store, "ab/生成 猫+(1).png")), "object_missing");
  EXPECT_EQ(code(put(*store, "../secret", "x")), "object_key_invalid");
}

TEST_F(CosTest, KeepsAnEmptyObject) {
  start();
  const auto store = open();
  ASSERT_TRUE(put(*store, "empty", ""));
  EXPECT_EQ(get(*store, "empty").value(), "");
}

TEST_F(CosTest, GoesInPartsAboveTheThresholdOnly) {
  start();
  const auto store = open();
  ASSERT_TRUE(put(*store, "at", noise(1u << 20)));
  EXPECT_EQ(count("put at"), 1u);
  EXPECT_EQ(count("initiate"), 0u);

  const std::string large = noise((3u << 20) + 1);
  std::uint64_t seen = 0;
  Put object{.key = "above.mp4", .source = make_memory_source(large)};
  object.progress = [&](std::uint64_t done) { seen = done; };
  const auto facts = wait(store->put(std::move(object)));
  ASSERT_TRUE(facts) << code(facts);
  EXPECT_EQ(facts->size, large.size());
  EXPECT_EQ(seen, large.size());
  EXPECT_EQ(count("part above.mp4"), 4u);
  EXPECT_EQ(cos_->content("above.mp4"), large);
  EXPECT_EQ(cos_->open_uploads(), 0u);
}

TEST_F(CosTest, GoesOnWithThePartsThatAreThere) {
  start();
  const std::string large = noise((4u << 20) + 7);
  cos_->add_fault("complete-SlowDown;times=1");
  EXPECT_EQ(code(put(*open(settings(), 1), "clip.mp4", large)), "store_busy");
  EXPECT_EQ(cos_->open_uploads(), 1u);
  EXPECT_EQ(count("part clip.mp4"), 5u);
  EXPECT_TRUE(cos_->keys().empty()) << "nobody sees half of it";
  const auto facts = put(*open(), "clip.mp4", large);
  ASSERT_TRUE(facts) << code(facts);
  EXPECT_EQ(count("part clip.mp4"), 5u) << "what was there was not sent again";
  EXPECT_EQ(count("initiate"), 1u);
  EXPECT_EQ(cos_->content("clip.mp4"), large);
}

// The policy in docs/stores.md calls these optional.
TEST_F(CosTest, NeedsNoPermissionToLookForTheRestOfAnUpload) {
  start();
  cos_->deny({"ListMultipartUploads", "ListParts", "GetBucket"});
  ASSERT_TRUE(put(*open(), "clip.mp4", noise(1'500'000)));
  EXPECT_EQ(cos_->content("clip.mp4"), noise(1'500'000));
}

// The rest of an upload of other bytes under the same key: nothing of it may be used.
TEST_F(CosTest, UsesNoPartsOfOtherBytes) {
  start();
  cos_->add_fault("complete-AccessDenied;times=1");
  const auto store = open();
  EXPECT_EQ(code(put(*store, "clip.mp4", noise(2'500'000))), "store_forbidden");
  std::string other = noise(2'500'000);
  other[0] = static_cast<char>(other[0] + 1);
  other.back() = static_cast<char>(other.back() + 1);
  ASSERT_TRUE(put(*store, "clip.mp4", other));
  EXPECT_EQ(count("part clip.mp4"), 5u) << "the middle part is the same";
  EXPECT_EQ(cos_->content("clip.mp4"), other);
}

TEST_F(CosTest, BelievesAJoinedObjectOnlyByItsContent) {
  start();
  cos_->add_fault("part-damaged;times=1");
  const auto store = open();
  EXPECT_EQ(code(put(*store, "clip.mp4", noise(3'000'000))), "store_damaged");
  EXPECT_TRUE(cos_->keys().empty()) << "a damaged object must not stay";
  ASSERT_TRUE(put(*store, "clip.mp4", noise(3'000'000)));
}

TEST_F(CosTest, JoinsAgainAfterAnErrorUnder200AndAfterALostAnswer) {
  start();
  const auto store = open();
  cos_->add_fault("complete-200-InternalError;times=1");
  ASSERT_TRUE(put(*store, "a.mp4", noise(2'000'000)));
  EXPECT_EQ(count("complete a.mp4"), 2u);
  cos_->add_fault("complete-lost;times=1");
  ASSERT_TRUE(put(*store, "b.mp4", noise(2'000'001)));
  EXPECT_EQ(cos_->content("b.mp4"), noise(2'000'001));
}

TEST_F(CosTest, BeginsAnewWhenAnUploadVanishes) {
  start();
  cos_->add_fault("part-NoSuchUpload;times=1");
  const auto store = open();
  ASSERT_TRUE(put(*store, "a.mp4", noise(2'000'000)));
  EXPECT_EQ(count("initiate"), 2u);
  EXPECT_EQ(cos_->content("a.mp4"), noise(2'000'000));
}

TEST_F(CosTest, SendsAgainWhatTheStoreKeptWrongly) {
  start();
  cos_->add_fault("put-damaged;times=1");
  const auto store = open();
  ASSERT_TRUE(put(*store, "a", noise(1000)));
  EXPECT_EQ(cos_->content("a"), noise(1000));
  EXPECT_EQ(count("put a"), 2u);
}

TEST_F(CosTest, RepeatsFourTimesAndSaysThatItIsWorthWaiting) {
  start();
  const auto store = open();
  cos_->add_fault("put-SlowDown;times=3");
  ASSERT_TRUE(put(*store, "a", "x"));
  EXPECT_EQ(count("put a"), 4u);
  cos_->add_fault("put-InternalError;times=4");
  const auto failed = put(*store, "b", "x");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), "store_failed");
  EXPECT_EQ(decision_of(failed.error()), Decision::retry);
  EXPECT_EQ(failed.error().context().at("store_code"), "InternalError");
  EXPECT_EQ(count("put b"), 4u);
}

TEST_F(CosTest, TriesTheBackupHostWhenNothingElseAnswers) {
  start();
  cos_->add_fault("put-reset;times=3");
  const auto store = open();
  ASSERT_TRUE(put(*store, "a", "x"));
  const auto hosts = cos_->hosts();
  ASSERT_EQ(hosts.size(), 4u);
  EXPECT_EQ(hosts[2], "studio-1250000000.cos.ap-guangzhou.myqcloud.com");
  EXPECT_EQ(hosts[3], "studio-1250000000.cos.ap-guangzhou.tencentcos.cn");
}

TEST_F(CosTest, StaysOnTheHostThatAnswers) {
  start();
  cos_->add_fault("put-SlowDown;times=3");
  const auto store = open();
  ASSERT_TRUE(put(*store, "a", "x"));
  EXPECT_EQ(cos_->hosts()[3], "studio-1250000000.cos.ap-guangzhou.myqcloud.com");
}

TEST_F(CosTest, RepeatsNothingThatIsRefusedForGood) {
  start();
  const auto store = open();
  cos_->add_fault("put-AccessDenied;times=1");
  const auto refused = put(*store, "a", "x");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), "store_forbidden");
  EXPECT_EQ(decision_of(refused.error()), Decision::alert);
  EXPECT_EQ(count("put a"), 1u);
}

TEST_F(CosTest, TakesUpADownloadWhereItBroke) {
  start();
  const auto store = open();
  const std::string bytes = noise(900'000);
  ASSERT_TRUE(put(*store, "a", bytes));
  cos_->add_fault("get-truncated;times=1");
  EXPECT_EQ(get(*store, "a").value(), bytes);
  EXPECT_EQ(count("get a"), 2u);
}

TEST_F(CosTest, StopsWhenTheReceiverHasEnough) {
  start();
  const auto store = open();
  ASSERT_TRUE(put(*store, "a", noise(500'000)));
  EXPECT_EQ(code(wait(store->get("a", {}, [](std::string_view) { return false; }))), "store_stopped");
}

TEST_F(CosTest, CorrectsItsClock) {
  for (const Millis wrong : {-3'600'000, 3'600'000}) {
    start();
    clock_.shift(wrong);
    const auto store = open();
    ASSERT_TRUE(put(*store, "a", "x"));
    EXPECT_EQ(count("put a"), 2u) << "refused once";
    ASSERT_TRUE(wait(store->head("a")));
    EXPECT_EQ(count("head a"), 1u) << "the offset is kept";
    const auto link = store->presigned_get("a", {});
    ASSERT_TRUE(link);
    EXPECT_EQ(fetch(*link)->status, 200) << "links are by the store's clock";
  }
}

TEST_F(CosTest, CorrectsItsClockByAHeadToo) {
  start();
  const auto store = open();
  ASSERT_TRUE(put(*store, "a", "x"));
  clock_.shift(7'200'000);
  EXPECT_TRUE(wait(store->head("a"))) << "an answer without a word";
}

TEST_F(CosTest, SendsTemporaryTokens) {
  sandbox::CosOptions options;
  options.token = "tok+en/with==chars";
  start(options);
  auto temporary = settings();
  temporary.credentials.token = options.token;
  const auto store = open(temporary);
  ASSERT_TRUE(put(*store, "a", "x"));
  const auto link = store->presigned_get("a", {});
  ASSERT_TRUE(link);
  EXPECT_EQ(fetch(*link)->status, 200);
  EXPECT_EQ(code(put(*open(), "a", "x")), "store_token_expired");
}

TEST_F(CosTest, LinksDoNotOutliveTheirCredentials) {
  start();
  auto temporary = settings();
  temporary.credentials.expires_at = clock_.now_ms() + 60'000;
  const auto store = open(temporary);
  EXPECT_LE(store->presigned_get("a", {})->expires_at, temporary.credentials.expires_at);
  clock_.shift(61'000);
  EXPECT_EQ(code(store->presigned_get("a", {})), "store_token_expired");
}

TEST_F(CosTest, GivesLinksThatHoldAndCannotBeAltered) {
  start();
  const auto store = open();
  ASSERT_TRUE(put(*store, "猫 1.png", "picture"));
  LinkOptions options;
  options.content_disposition = "attachment; filename*=UTF-8''%E7%8C%AB.png";
  auto link = store->presigned_get("猫 1.png", options);
  ASSERT_TRUE(link);
  const auto reply = fetch(*link);
  EXPECT_EQ(reply->status, 200) << reply->body << link->url;
  EXPECT_EQ(reply->body, "picture");
  EXPECT_EQ(reply->header("content-disposition"), options.content_disposition);
  auto altered = *link;
  altered.url.replace(altered.url.find("filename"), 8, "filemane");
  EXPECT_EQ(fetch(altered)->status, 403);
  clock_.shift(-7'200'000);  // made two hours ago, for one hour
  EXPECT_EQ(fetch(*store->presigned_get("猫 1.png", options))->status, 403);
}

TEST_F(CosTest, LinksAreForOneMethod) {
  start();
  const auto store = open();
  ASSERT_TRUE(put(*store, "a.png", "picture"));
  const auto asked = [&](SignedRequest link, const std::string& method) {
    link.method = method;
    return fetch(link)->status;
  };
  const auto get = store->presigned_get("a.png", {}), head = store->presigned_get("a.png", {.head = true});
  EXPECT_EQ(head->method, "HEAD");
  EXPECT_EQ(asked(*head, "HEAD"), 200);
  EXPECT_EQ(asked(*head, "GET"), 403);
  EXPECT_EQ(asked(*get, "HEAD"), 403);
  EXPECT_EQ(asked(*get, "GET"), 200);
}

TEST_F(CosTest, LinksMayAskForAProcessedPicture) {
  start();
  const auto store = open();
  ASSERT_TRUE(put(*store, "a.png", draw({.width = 300, .height = 200})));
  ASSERT_TRUE(put(*store, "b.png", "no picture"));
  const auto asked = [&](const std::string& key, const std::string& process) {
    auto link = store->presigned_get(key, {.image_process = process});
    return *fetch(*link);
  };
  const auto preview = asked("a.png", *mogr_preview({.mime = "image/png"}, 64, PreviewFormat::webp));
  EXPECT_EQ(preview.status, 200) << preview.body;
  EXPECT_EQ(preview.header("content-type"), "image/webp");
  EXPECT_EQ(look(preview.body).width, 64);
  EXPECT_EQ(look(asked("a.png", *mogr_preview({.mime = "image/png"}, 320, PreviewFormat::avif)).body).width, 300) << "never enlarged";
  EXPECT_EQ(asked("a.png", "imageMogr2/thumbnail/64x/strip").status, 400) << "a form the bucket of the tests does not know";
  EXPECT_EQ(asked("b.png", "imageMogr2/thumbnail/64x64>").status, 400);
  auto altered = *store->presigned_get("a.png", {.image_process = "imageMogr2/thumbnail/64x64>"});
  altered.url.replace(altered.url.find("64x64"), 5, "99x99");
  EXPECT_EQ(fetch(altered)->status, 403) << "it is signed";
}

TEST_F(CosTest, LetsABrowserUploadExactlyWhatWasAgreed) {
  start();
  const auto store = open();
  const auto upload = store->presigned_put("in 1.png", "image/png", 5, 600'000);
  ASSERT_TRUE(upload);
  EXPECT_EQ(upload->method, "PUT");
  EXPECT_EQ(fetch(*upload, "12345")->status, 200);
  EXPECT_EQ(cos_->content("in 1.png"), "12345");
  EXPECT_EQ(fetch(*upload, "123456")->status, 403) << "another length";
  auto other_type = *upload;
  for (auto& header : other_type.headers)
    if (header.first == "Content-Type") header.second = "text/html";
  EXPECT_EQ(fetch(other_type, "12345")->status, 403);
}

TEST_F(CosTest, UsesTheHostsThatAreConfigured) {
  start();
  auto fast = settings();
  fast.accelerate = true;
  ASSERT_TRUE(put(*open(fast), "a", "x"));
  EXPECT_EQ(cos_->hosts().back(), "studio-1250000000.cos.accelerate.myqcloud.com");
  auto custom = settings();
  custom.endpoint = cos_->base_url();
  ASSERT_TRUE(put(*open(custom), "b", "x"));
  EXPECT_EQ(cos_->hosts().back(), cos_->base_url().substr(7));
  custom.link_base = "https://cdn.example.com";
  EXPECT_THAT(open(custom)->presigned_get("b", {})->url, HasSubstr("https://cdn.example.com/b?q-sign"));
  custom.links = Links::signed_without_host;
  EXPECT_THAT(open(custom)->presigned_get("b", {})->url, HasSubstr("&q-header-list=&"));
  custom.links = Links::plain;
  EXPECT_EQ(open(custom)->presigned_get("b", {})->url, "https://cdn.example.com/b");
  EXPECT_TRUE(open(custom)->presigned_get("b", {})->plain);
}

TEST_F(CosTest, ListsPageByPageUnderItsPrefix) {
  start();
  auto settings = CosTest::settings();
  const auto everything = open(settings);
  settings.prefix = "flux gate/";
  const auto store = open(settings);
  for (std::string key : {"b/2+2", "a/1", "b/猫 1", "c"}) ASSERT_TRUE(put(*store, key, "12"));
  ASSERT_TRUE(put(*everything, "elsewhere", "x"));
  const auto first = wait(store->list("", "", 3));
  ASSERT_TRUE(first) << code(first);
  ASSERT_EQ(first->objects.size(), 3u);
  EXPECT_EQ(first->objects[0].key, "a/1");
  EXPECT_EQ(first->objects[1].key, "b/2+2");
  EXPECT_EQ(first->objects[2].key, "b/猫 1");
  EXPECT_EQ(first->objects[0].size, 2u);
  const auto second = wait(store->list("", first->next, 3));
  ASSERT_TRUE(second);
  ASSERT_EQ(second->objects.size(), 1u);
  EXPECT_EQ(second->objects[0].key, "c");
  EXPECT_EQ(second->next, "");
  EXPECT_EQ(wait(store->list("b/", "", 1000))->objects.size(), 2u);
}

TEST_F(CosTest, GivesUpOldUploadsOnly) {
  start();
  const auto store = open(settings(), 1);
  cos_->add_fault("complete-SlowDown;times=1");
  EXPECT_FALSE(put(*store, "a.mp4", noise(2'000'000)));
  EXPECT_EQ(wait(store->sweep_uploads("", clock_.now_ms() - 86'400'000)).value(), 0);
  EXPECT_EQ(cos_->open_uploads(), 1u);
  EXPECT_EQ(wait(store->sweep_uploads("", clock_.now_ms() + 10'000)).value(), 1);
  EXPECT_EQ(cos_->open_uploads(), 0u);
}

}  // namespace
}  // namespace fluxgate::files

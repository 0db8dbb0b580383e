// Every fault of the table yields its wire form (spec/upstream-fal.md §9.2).
#include "sandbox/faults.h"
#include "sandbox_fixture.h"

namespace fluxgate::sandbox {
namespace {

using testing::HasSubstr;

constexpr auto kBriefly = std::chrono::milliseconds(300);

// What came back, in a word: the HTTP status, or how the exchange broke.
std::string seen(const net::Reply& reply) {
  if (reply) return std::to_string(reply->status);
  switch (reply.error().kind) {
    case net::Failure::Kind::timeout: return "timeout";
    case net::Failure::Kind::closed: return "closed";
    default: return "other: " + reply.error().detail;
  }
}

class FaultTest : public SandboxTest {
 protected:
  void SetUp() override { start({.latency_scale = 0, .tiny_images = true}); }

  static HeaderList fault(std::string text) { return {{"X-Sandbox-Fault", std::move(text)}}; }
  static json::object prompt(std::string_view fault) {
    return {{"prompt", fmt::format("a boat [fault:{}]", fault)}};
  }
  std::uint64_t accepted() const { return sandbox_->requests().accepted; }
  // Submits with that fault, then asks for one of its links.
  net::Reply follow(std::string_view fault, std::string_view link, std::string_view tail = "") {
    return get(text_of(submit(prompt(fault)), link) + std::string(tail));
  }
  net::Reply result_with(std::string_view fault) { return follow(fault, "response_url"); }
  net::Reply media_with(std::string_view fault) { return get(first_image(object_of(result_with(fault)))); }
  net::Reply impatient(std::string path, std::string_view body) {
    return client_.call({"POST", base() + path, {{"Authorization", "Key a:b"}}, std::string(body)}, kBriefly);
  }
};

struct Form {
  std::string_view action, seen;
  bool accepted;
};

TEST_F(FaultTest, OfSubmitsHaveTheirWireFormsAndAcceptOnlyWhatTheySay) {
  constexpr Form kForms[] = {{"401", "401", false},          {"403-balance", "403", false},
                             {"404", "404", false},          {"429", "429", false},
                             {"429-bare", "429", false},     {"500", "500", false},
                             {"502", "502", false},          {"503", "503", false},
                             {"504", "504", false},          {"html-502", "502", false},
                             {"html-503", "503", false},     {"html-504", "504", false},
                             {"reset", "closed", false},     {"slow;seconds=0.1", "200", true},
                             {"malformed", "200", true},     {"empty-body", "200", true},
                             {"html-200", "200", true},      {"truncated", "closed", true},
                             {"lost", "closed", true},       {"unknown-app", "404", false},
                             {"unknown-path", "404", false}, {"no-id", "200", true},
                             {"no-urls", "200", true},       {"foreign-urls", "200", true},
                             {"start-timeout", "200", true}};
  for (const Form& form : kForms) {
    auto before = accepted();
    EXPECT_EQ(seen(post(prompt(fmt::format("submit-{}", form.action)))), form.seen) << form.action;
    EXPECT_EQ(accepted() - before, form.accepted ? 1u : 0u) << form.action;
  }
}

TEST_F(FaultTest, ThatHangDifferInWhatWasAccepted) {
  for (auto [action, count] :
       {std::pair("hang", 0u), std::pair("hang-refused", 0u), std::pair("hang-accepted", 1u)}) {
    auto before = accepted();
    std::string body = json::serialize(prompt(fmt::format("submit-{}", action)));
    EXPECT_EQ(seen(impatient("/fal-ai/flux-1/dev", body)), "timeout") << action;
    EXPECT_EQ(accepted() - before, count) << action;
  }
  auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(seen(post({{"prompt", "a"}}, fault("submit-hang;seconds=0.1"))), "closed");
  stop();  // does not wait for the five minutes of the others
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST_F(FaultTest, OfSubmitsCarryTheHeadersAndBodiesOfTheRealOnes) {
  auto throttled = post({{"prompt", "a"}}, fault("submit-429;seconds=7"));
  EXPECT_EQ(throttled->header("retry-after"), "7");
  EXPECT_EQ(post({{"prompt", "a"}}, fault("submit-429-bare"))->header("retry-after"), "");
  auto platform = post({{"prompt", "a"}}, fault("submit-503"));
  EXPECT_EQ(platform->header("x-fal-error-type"), text_of(object_of(platform), "error_type"));
  auto ingress = post({{"prompt", "a"}}, fault("submit-html-502"));
  EXPECT_THAT(ingress->body, HasSubstr("nginx"));
  EXPECT_EQ(ingress->header("x-fal-request-id"), "");
  EXPECT_THAT(post({{"prompt", "a"}}, fault("submit-403-balance"))->body, HasSubstr("User is locked"));
  EXPECT_FALSE(object_of(post({{"prompt", "a"}}, fault("submit-no-id"))).contains("request_id"));
  EXPECT_FALSE(object_of(post({{"prompt", "a"}}, fault("submit-no-urls"))).contains("status_url"));
  EXPECT_THAT(text_of(object_of(post({{"prompt", "a"}}, fault("submit-foreign-urls"))), "status_url"),
              HasSubstr("queue.upstream.invalid"));
}

TEST_F(FaultTest, EndAfterTheirTimesForThePrompt) {
  EXPECT_EQ(seen(post(prompt("submit-503;times=2"))), "503");
  EXPECT_EQ(seen(post(prompt("submit-503;times=2"))), "503");
  EXPECT_EQ(seen(post(prompt("submit-503;times=2"))), "200");
  EXPECT_EQ(sandbox_->requests().posts, 3u);
}

TEST_F(FaultTest, OfTheStatusHaveTheirWireForms) {
  for (auto [action, status] :
       {std::pair("401", "401"), std::pair("429", "429"), std::pair("500", "500"), std::pair("503", "503"),
        std::pair("html-502", "502"), std::pair("reset", "closed"), std::pair("malformed", "200"),
        std::pair("truncated", "closed"), std::pair("lost", "404"), std::pair("405", "405"),
        std::pair("stuck-queue", "202"), std::pair("stuck-running", "202"), std::pair("unknown-word", "200")})
    EXPECT_EQ(seen(follow(fmt::format("status-{}", action), "status_url")), status) << action;
  auto word = [&](std::string_view action) {
    return text_of(object_of(follow(fmt::format("status-{}", action), "status_url")), "status");
  };
  EXPECT_EQ(word("stuck-queue"), "IN_QUEUE");
  EXPECT_EQ(word("stuck-running"), "IN_PROGRESS");
  EXPECT_EQ(word("unknown-word"), "PENDING");
  auto odd = object_of(follow("status-odd-shapes", "status_url"));
  EXPECT_TRUE(odd.at("logs").is_object() && odd.at("metrics").is_object());
  EXPECT_FALSE(object_of(follow("status-no-logs", "status_url")).contains("logs"));
  EXPECT_EQ(seen(result_with("status-stuck-running")), "400") << "a stuck request has no result";
}

TEST_F(FaultTest, OfTheStatusCanGoBackwardsAndGrow) {
  auto accepted = submit(prompt("status-regress"));
  std::vector<std::string> words;
  for (int i = 0; i < 4; ++i)
    words.push_back(text_of(object_of(get(text_of(accepted, "status_url"))), "status"));
  EXPECT_THAT(words, testing::ElementsAre("IN_PROGRESS", "IN_QUEUE", "IN_PROGRESS", "COMPLETED"));
  auto growing = text_of(submit(prompt("status-growing-queue")), "status_url");
  auto first = object_of(get(growing)).at("queue_position").to_number<int>();
  EXPECT_GT(object_of(get(growing)).at("queue_position").to_number<int>(), first);
}

TEST_F(FaultTest, OfTheStatusCanAnswer200Always) {
  start();
  EXPECT_EQ(seen(follow("status-always-200", "status_url")), "200");
}

TEST_F(FaultTest, OfTheResultHaveTheirWireForms) {
  for (auto [action, status] : {std::pair("422", "422"),
                                std::pair("policy", "422"),
                                std::pair("policy-categories", "422"),
                                std::pair("file-download", "422"),
                                std::pair("image-load", "422"),
                                std::pair("image-too-large", "422"),
                                std::pair("file-too-large", "422"),
                                std::pair("no-media", "422"),
                                std::pair("empty-images", "200"),
                                std::pair("no-images", "200"),
                                std::pair("nsfw", "200"),
                                std::pair("crash", "500"),
                                std::pair("gpu", "503"),
                                std::pair("generation-timeout", "504"),
                                std::pair("not-ready", "400"),
                                std::pair("expired", "404"),
                                std::pair("500", "500"),
                                std::pair("html-503", "503"),
                                std::pair("reset", "closed"),
                                std::pair("truncated", "closed")})
    EXPECT_EQ(seen(result_with(fmt::format("result-{}", action))), status) << action;
  EXPECT_THAT(result_with("result-policy-categories")->body, HasSubstr("\"categories\""));
  EXPECT_EQ(text_of(object_of(result_with("result-gpu")), "detail"), "GPU error");
  EXPECT_TRUE(object_of(result_with("result-empty-images")).at("images").as_array().empty());
  EXPECT_FALSE(object_of(result_with("result-no-images")).contains("images"));
  EXPECT_EQ(json::serialize(object_of(result_with("result-nsfw")).at("has_nsfw_concepts")), "[true]");
  EXPECT_GT(object_of(result_with("result-seed-big")).at("seed").to_number<std::int64_t>(), 1ll << 53);
  EXPECT_TRUE(object_of(result_with("result-seed-null")).at("seed").is_null());
  EXPECT_TRUE(object_of(result_with("result-null-sizes")).at("images").at(0).at("width").is_null());
  EXPECT_TRUE(object_of(result_with("result-wrapped")).at("response").as_object().contains("images"));
  EXPECT_THAT(first_image(object_of(result_with("result-foreign-media"))), HasSubstr("upstream.invalid"));
  EXPECT_GT(result_with("result-huge-data-uri")->body.size(), 20u << 20);
}

TEST_F(FaultTest, OfTheResultShowInTheStatusToo) {
  auto status = object_of(follow("result-policy", "status_url"));
  EXPECT_EQ(text_of(status, "status"), "COMPLETED");
  EXPECT_EQ(text_of(status, "error_type"), "content_policy_violation");
}

TEST_F(FaultTest, OfTheResultCanPass) {
  auto url = text_of(submit(prompt("result-not-ready;times=2")), "response_url");
  EXPECT_EQ(seen(get(url)), "400");
  EXPECT_EQ(seen(get(url)), "400");
  EXPECT_EQ(seen(get(url)), "200");
}

TEST_F(FaultTest, OfMediaHaveTheirWireForms) {
  for (auto [action, status] :
       {std::pair("404", "404"), std::pair("403", "403"), std::pair("410", "410"), std::pair("500", "500"),
        std::pair("reset", "closed"), std::pair("zero", "200"), std::pair("truncated", "closed"),
        std::pair("redirect", "302"), std::pair("slow;seconds=0.1", "200")})
    EXPECT_EQ(seen(media_with(fmt::format("media-{}", action))), status) << action;
  EXPECT_EQ(media_with("media-zero")->body, "");
  auto lie = media_with("media-wrong-type");
  EXPECT_EQ(lie->header("content-type"), "image/jpeg");
  EXPECT_TRUE(lie->body.starts_with("This was never"));
  auto mislabelled = media_with("media-mislabelled");
  EXPECT_EQ(mislabelled->header("content-type"), "text/plain");
  EXPECT_TRUE(mislabelled->body.starts_with("\xff\xd8"));
  EXPECT_EQ(media_with("media-html")->header("content-type"), "text/html");
  EXPECT_EQ(get(base() + std::string(media_with("media-redirect")->header("location")))->status, 200);
}

TEST_F(FaultTest, OfMediaCanPass) {
  auto url = first_image(object_of(result_with("media-404;times=1")));
  EXPECT_EQ(seen(get(url)), "404");
  EXPECT_EQ(seen(get(url)), "200");
}

TEST_F(FaultTest, OfCancelsHaveTheirWireForms) {
  start();
  auto cancel = [&](std::string_view fault) {
    return send("PUT", text_of(submit(prompt(fault)), "cancel_url"));
  };
  EXPECT_EQ(seen(cancel("cancel-late")), "400");
  EXPECT_EQ(seen(cancel("cancel-404")), "404");
  EXPECT_EQ(text_of(object_of(cancel("cancel-ok-200")), "status"), "OK");
  EXPECT_EQ(seen(cancel("cancel-503")), "503");
  auto accepted = submit(prompt("cancel-ignored"));
  EXPECT_EQ(seen(send("PUT", text_of(accepted, "cancel_url"))), "202");
  clock_.advance(kLongEnough);
  EXPECT_EQ(seen(get(text_of(accepted, "response_url"))), "200");
}

TEST_F(FaultTest, OfStreamsHaveTheirWireForms) {
  auto stream = [&](std::string_view fault) { return follow(fault, "status_url", "/stream"); };
  EXPECT_EQ(stream("stream-wrong-type")->header("content-type"), "application/json");
  EXPECT_EQ(seen(stream("stream-cut")), "closed");
  EXPECT_TRUE(stream("stream-crlf")->body.ends_with("\r\n\r\n"));
  EXPECT_THAT(stream("stream-split-utf8")->body, HasSubstr("进度"));
  EXPECT_EQ(stream("stream-pings-only;seconds=0.1")->body, ": ping\n\n");
  EXPECT_EQ(seen(stream("stream-500")), "500");
  start();
  EXPECT_THAT(stream("stream-early-end")->body, HasSubstr("IN_QUEUE"));
}

TEST_F(FaultTest, CanBeAskedForByFlagForAllRequests) {
  start({.latency_scale = 0, .faults = {"submit-503;times=1", "status-500;times=1"}});
  EXPECT_EQ(seen(post({{"prompt", "a"}})), "503");
  auto accepted = submit({{"prompt", "a"}});
  EXPECT_EQ(seen(get(text_of(accepted, "status_url"))), "500");
  EXPECT_EQ(seen(get(text_of(accepted, "status_url"))), "200");
  EXPECT_THROW(start({.faults = {"submit-teapot"}}), std::invalid_argument);
}

TEST_F(FaultTest, CanBeAskedForByTheHeaderOfOneCall) {
  auto url = text_of(submit({{"prompt", "a"}}), "status_url");
  EXPECT_EQ(seen(get(url, fault("status-503"))), "503");
  EXPECT_EQ(seen(get(url)), "200");
  auto unknown = get(url, fault("status-teapot"));
  EXPECT_EQ(unknown->status, 400);
  EXPECT_THAT(unknown->body, HasSubstr("/_sandbox/faults"));
}

TEST_F(FaultTest, StayWithTheRequestAfterARestart) {
  auto accepted = submit(prompt("result-gpu"));
  start({.latency_scale = 0});
  EXPECT_EQ(seen(get("/fal-ai/flux-1/requests/" + text_of(accepted, "request_id"))), "503");
}

}  // namespace
}  // namespace fluxgate::sandbox

// The queue protocol over real HTTP (spec/upstream-fal.md §1-§4), spoken raw.
#include "sandbox/input.h"
#include "sandbox/picture.h"
#include "sandbox_fixture.h"

namespace fluxgate::sandbox {
namespace {

using testing::HasSubstr;

class QueueTest : public SandboxTest {
 protected:
  void SetUp() override { start(); }
};

TEST_F(QueueTest, AcceptsASubmitWithIdPositionAndLinksOfTheApplication) {
  auto reply = post({{"prompt", "a paper boat"}});
  ASSERT_TRUE(reply);
  auto body = object_of(reply);
  const std::string id = text_of(body, "request_id");
  EXPECT_EQ(text_of(body, "status"), "IN_QUEUE");
  EXPECT_EQ(body.at("queue_position"), 0);
  EXPECT_EQ(text_of(body, "response_url"), base() + "/fal-ai/flux-1/requests/" + id);
  EXPECT_EQ(text_of(body, "status_url"), base() + "/fal-ai/flux-1/requests/" + id + "/status");
  EXPECT_EQ(text_of(body, "cancel_url"), base() + "/fal-ai/flux-1/requests/" + id + "/cancel");
  EXPECT_EQ(reply->header("x-fal-request-id"), id);
}

TEST_F(QueueTest, GoesFromQueueOverProgressToCompletion) {
  auto accepted = submit({{"prompt", "a paper boat"}, {"num_images", 2}});
  const std::string status_url = text_of(accepted, "status_url");
  auto queued = get(status_url);
  EXPECT_EQ(queued->status, 202);
  EXPECT_EQ(text_of(object_of(queued), "status"), "IN_QUEUE");
  EXPECT_EQ(object_of(queued).at("queue_position"), 0);
  clock_.advance(400);
  auto running = get(status_url + "?logs=1");
  EXPECT_EQ(running->status, 202);
  EXPECT_EQ(text_of(object_of(running), "status"), "IN_PROGRESS");
  EXPECT_GE(object_of(running).at("logs").as_array().size(), 1u);
  EXPECT_TRUE(object_of(get(status_url)).at("logs").is_null());
  EXPECT_EQ(get(text_of(accepted, "response_url"))->status, 400);
  clock_.advance(2800);
  auto completed = get(status_url + "?logs=true");
  EXPECT_EQ(completed->status, 200);
  auto body = object_of(completed);
  EXPECT_EQ(text_of(body, "status"), "COMPLETED");
  EXPECT_GT(body.at("metrics").at("inference_time").to_number<double>(), 0);
  EXPECT_GE(body.at("logs").as_array().size(), 3u);
  EXPECT_LE(body.at("logs").as_array().size(), 8u);
  EXPECT_EQ(body.if_contains("error"), nullptr);
}

TEST_F(QueueTest, FinishesADefaultImageInUnderThreeSeconds) {
  auto accepted = submit({{"prompt", "a paper boat"}});
  clock_.advance(2900);
  EXPECT_EQ(get(text_of(accepted, "response_url"))->status, 200);
}

TEST_F(QueueTest, AnswersTheBareOutputWithRealPictures) {
  auto reply = finished({{"prompt", "a paper boat"},
                         {"seed", 42},
                         {"num_images", 3},
                         {"image_size", "square"},
                         {"output_format", "png"}});
  ASSERT_EQ(reply->status, 200);
  auto body = object_of(reply);
  EXPECT_EQ(body.at("seed"), 42);
  EXPECT_EQ(text_of(body, "prompt"), "a paper boat");
  EXPECT_EQ(json::serialize(body.at("has_nsfw_concepts")), "[false,false,false]");
  EXPECT_LE(body.at("timings").at("inference").to_number<double>(), 2.2);
  ASSERT_EQ(body.at("images").as_array().size(), 3u);
  EXPECT_EQ(reply->header("x-fal-billable-units"), "3");
  for (const auto& entry : body.at("images").as_array()) {
    const auto& image = entry.as_object();
    EXPECT_EQ(image.at("width"), 512);
    EXPECT_EQ(text_of(image, "content_type"), "image/png");
    anonymous_ = true;
    auto file = get(text_of(image, "url"));
    ASSERT_EQ(file->status, 200);
    EXPECT_EQ(file->header("content-type"), "image/png");
    EXPECT_EQ(measure_picture(file->body), (PixelSize{512, 512}));
  }
}

TEST_F(QueueTest, GivesTheSameBytesForTheSamePromptAndSeed) {
  json::object input{{"prompt", "a paper boat"}, {"seed", 7}, {"image_size", "square"}, {"num_images", 2}};
  auto one = object_of(finished(input));
  auto two = object_of(finished(input));
  EXPECT_EQ(get(first_image(one))->body, get(first_image(two))->body);
  EXPECT_NE(get(first_image(one))->body, get(text_of(one.at("images").at(1).as_object(), "url"))->body);
  input["seed"] = 8;
  EXPECT_NE(get(first_image(one))->body, get(first_image(object_of(finished(input))))->body);
}

TEST_F(QueueTest, KeepsLargeSeedsExactly) {
  EXPECT_THAT(finished({{"prompt", "a"}, {"seed", 18'446'744'073'709'551'615u}})->body,
              HasSubstr("\"seed\":18446744073709551615"));
  start({.big_seeds = true});
  EXPECT_GT(object_of(finished({{"prompt", "a"}})).at("seed").to_number<std::uint64_t>(), 1ull << 53);
}

TEST_F(QueueTest, ShowsBadInputAtTheResultAndNotAtTheSubmit) {
  auto accepted = submit({{"prompt", "a"}, {"num_images", 9}});
  clock_.advance(kLongEnough);
  auto status = get(text_of(accepted, "status_url"));
  EXPECT_EQ(status->status, 200);
  EXPECT_EQ(text_of(object_of(status), "error_type"), "less_than_equal");
  EXPECT_THAT(text_of(object_of(status), "error"), HasSubstr("num_images"));
  auto result = get(text_of(accepted, "response_url"));
  EXPECT_EQ(result->status, 422);
  EXPECT_EQ(result->header("x-fal-billable-units"), "0");
  auto detail = object_of(result).at("detail").at(0);
  EXPECT_EQ(detail.at("loc"), json::array({"body", "num_images"}));
  EXPECT_EQ(detail.at("ctx"), json::object({{"le", 4}}));
  EXPECT_EQ(detail.at("input"), 9);
}

TEST_F(QueueTest, UsesTheShapeOfEachFamily) {
  auto kontext = object_of(finished({{"prompt", "a"}}, "fal-ai/flux-pro/kontext/text-to-image"));
  EXPECT_TRUE(kontext.at("images").at(0).at("file_size").is_null());
  EXPECT_TRUE(kontext.contains("timings"));
  auto hosted = object_of(finished({{"prompt", "a"}}, "fal-ai/flux-2-pro"));
  EXPECT_EQ(hosted.size(), 2u);
  EXPECT_TRUE(hosted.contains("images") && hosted.contains("seed"));
}

TEST_F(QueueTest, ReturnsDataUrisInSyncMode) {
  auto body = object_of(finished({{"prompt", "a"}, {"sync_mode", true}, {"image_size", "square"}}));
  const std::string uri = first_image(body);
  ASSERT_TRUE(uri.starts_with("data:image/jpeg;base64,"));
  EXPECT_EQ(measure_picture(*crypto::unbase64(uri.substr(uri.find(',') + 1))), (PixelSize{512, 512}));
}

TEST_F(QueueTest, FlagsTheTriggerWordWithABlackPictureWhileTheCheckerIsOn) {
  json::object input{{"prompt", "nsfw-trigger"}, {"image_size", "square"}, {"seed", 1}};
  auto flagged = object_of(finished(input));
  EXPECT_EQ(json::serialize(flagged.at("has_nsfw_concepts")), "[true]");
  input["enable_safety_checker"] = false;
  auto passed = object_of(finished(input));
  EXPECT_EQ(json::serialize(passed.at("has_nsfw_concepts")), "[false]");
  EXPECT_LT(get(first_image(flagged))->body.size(), get(first_image(passed))->body.size());
  auto refused = finished({{"prompt", "policy-trigger"}}, "fal-ai/flux-pro/v1.1");
  EXPECT_EQ(refused->status, 422);
  EXPECT_THAT(refused->body, HasSubstr("content_policy_violation"));
}

TEST_F(QueueTest, ReadsInputPicturesFromDataUrisAndItsOwnFiles) {
  auto source = object_of(finished({{"prompt", "a"}, {"image_size", "portrait_4_3"}}));
  auto edited = object_of(
      finished({{"prompt", "b"}, {"image_url", first_image(source)}}, "fal-ai/flux-1/dev/image-to-image"));
  EXPECT_EQ(edited.at("images").at(0).at("width"), 768);
  auto missing =
      finished({{"prompt", "b"}, {"image_url", "ftp://a.example/b.png"}}, "fal-ai/flux-pro/kontext");
  EXPECT_EQ(missing->status, 422);
  EXPECT_THAT(missing->body, HasSubstr("file_download_error"));
  auto broken =
      finished({{"prompt", "b"}, {"image_url", "data:image/png;base64,AAAA"}}, "fal-ai/flux-pro/kontext");
  EXPECT_THAT(broken->body, HasSubstr("image_load_error"));
}

TEST_F(QueueTest, ChecksTheKeyInEveryDocumentedForm) {
  auto with = [&](std::string value) {
    anonymous_ = true;
    return post({{"prompt", "a"}}, {{"Authorization", std::move(value)}})->status;
  };
  EXPECT_EQ(with("Key id:secret"), 200);
  EXPECT_EQ(with("key id:secret"), 200);
  EXPECT_EQ(with("Bearer opaque"), 200);
  EXPECT_EQ(with("Key nocolon"), 401);
  EXPECT_EQ(with("Bearer bad-token"), 401);
  EXPECT_EQ(with("Basic id:secret"), 401);
  EXPECT_EQ(with("Key broke:secret"), 403);
  anonymous_ = true;
  auto nobody = post({{"prompt", "a"}});
  EXPECT_EQ(nobody->status, 401);
  EXPECT_EQ(text_of(object_of(nobody), "detail"), "Authorization header is required");
  start({.keys = {"id:secret"}});
  EXPECT_EQ(with("Key id:secret"), 200);
  EXPECT_EQ(with("Key id:other"), 401);
  start({.check_keys = false});
  EXPECT_EQ(with("Key nocolon"), 200);
}

TEST_F(QueueTest, RefusesWhatARealRouterRefuses) {
  EXPECT_EQ(send("POST", "/fal-ai/nope/dev", "{}")->status, 404);
  EXPECT_THAT(send("POST", "/fal-ai/nope/dev", "{}")->body, HasSubstr("Application"));
  EXPECT_THAT(send("POST", "/fal-ai/flux-1/nope", "{}")->body, HasSubstr("Path /nope not found"));
  EXPECT_EQ(send("POST", "/fal-ai/flux-1/dev", "{\"prompt\":")->status, 422);
  EXPECT_EQ(send("POST", "/fal-ai/flux-1/dev", "[]")->status, 422);
  auto accepted = submit({{"prompt", "a"}});
  const std::string id = text_of(accepted, "request_id");
  EXPECT_EQ(get("/fal-ai/flux-1/dev/requests/" + id + "/status")->status, 405)
      << "the full id is for submits only";
  EXPECT_EQ(send("POST", "/fal-ai/flux-1/requests/" + id + "/status", "")->status, 405);
  EXPECT_EQ(get("/fal-ai/flux-pro/requests/" + id + "/status")->status, 404) << "another application's queue";
  auto unknown = get("/fal-ai/flux-1/requests/0192f0c2-7b1e-7cc0-a5b0-112233445566/status");
  EXPECT_EQ(unknown->status, 404);
  EXPECT_EQ(text_of(object_of(unknown), "status"), "NOT_FOUND");
}

TEST_F(QueueTest, CancelsWhatIsNotFinished) {
  auto accepted = submit({{"prompt", "a"}});
  const std::string cancel_url = text_of(accepted, "cancel_url");
  auto cancelled = send("PUT", cancel_url);
  EXPECT_EQ(cancelled->status, 202);
  EXPECT_EQ(text_of(object_of(cancelled), "status"), "CANCELLATION_REQUESTED");
  auto status = object_of(get(text_of(accepted, "status_url")));
  EXPECT_EQ(text_of(status, "status"), "COMPLETED");
  EXPECT_EQ(text_of(status, "error_type"), "client_cancelled");
  EXPECT_EQ(get(text_of(accepted, "response_url"))->status, 499);
  auto done = submit({{"prompt", "a"}});
  clock_.advance(kLongEnough);
  auto late = send("PUT", text_of(done, "cancel_url"));
  EXPECT_EQ(late->status, 400);
  EXPECT_EQ(text_of(object_of(late), "status"), "ALREADY_COMPLETED");
  EXPECT_EQ(send("PUT", "/fal-ai/flux-1/requests/0192f0c2-7b1e-7cc0-a5b0-112233445566/cancel")->status, 404);
}

TEST_F(QueueTest, QueuesBeyondTheSlotsAndCountsDown) {
  start({.slots = 1});
  submit({{"prompt", "a"}});
  submit({{"prompt", "a"}});
  auto third = submit({{"prompt", "a"}});
  EXPECT_EQ(third.at("queue_position"), 2);
  EXPECT_EQ(post({{"prompt", "a"}}, {}, "fal-ai/flux-1/dev?fal_max_queue_length=2")->status, 429);
  clock_.advance(320);
  EXPECT_EQ(object_of(get(text_of(third, "status_url"))).at("queue_position"), 1);
  EXPECT_EQ(send("POST", "/run/fal-ai/flux-1/dev", R"({"prompt":"a"})")->status, 429)
      << "the run host does not queue";
}

TEST_F(QueueTest, GivesUpWhenTheCallersStartLimitPasses) {
  start({.slots = 1});
  submit({{"prompt", "a"}});
  auto late = submit({{"prompt", "a"}}, kDev, {{"X-Fal-Request-Timeout", "0.5"}});
  clock_.advance(600);
  EXPECT_EQ(text_of(object_of(get(text_of(late, "status_url"))), "error_type"), "request_timeout");
  auto result = get(text_of(late, "response_url"));
  EXPECT_EQ(result->status, 504);
  EXPECT_EQ(result->header("x-fal-request-timeout-type"), "user");
}

TEST_F(QueueTest, AnswersTheSameIdsAfterARestart) {
  auto before = submit({{"prompt", "a paper boat"}, {"seed", 5}, {"image_size", "square"}});
  const std::string id = text_of(before, "request_id");
  clock_.advance(kLongEnough);
  auto picture = get(first_image(object_of(get(text_of(before, "response_url")))))->body;
  start();
  auto result = get("/fal-ai/flux-1/requests/" + id);
  ASSERT_EQ(result->status, 200);
  EXPECT_TRUE(first_image(object_of(result)).starts_with(base()));
  EXPECT_EQ(get(first_image(object_of(result)))->body, picture);
}

TEST_F(QueueTest, StreamsTheStatusUntilItIsCompleted) {
  start({.latency_scale = 0});
  auto accepted = submit({{"prompt", "a"}});
  auto reply = get(text_of(accepted, "status_url") + "/stream?logs=1");
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->header("content-type").starts_with("text/event-stream"));
  EXPECT_TRUE(reply->body.starts_with("data: {"));
  EXPECT_THAT(reply->body, HasSubstr("\"status\":\"COMPLETED\""));
  EXPECT_TRUE(reply->body.ends_with("\n\n"));
}

TEST_F(QueueTest, RunsSynchronouslyOnTheRunPath) {
  start({.latency_scale = 0});
  auto reply = send("POST", "/run/fal-ai/flux-1/schnell", R"({"prompt":"a"})");
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(object_of(reply).at("images").as_array().size(), 1u);
  EXPECT_NE(reply->header("x-fal-request-id"), "");
  auto stream = send("POST", "/run/fal-ai/flux-lora/stream", R"({"prompt":"a"})");
  EXPECT_TRUE(stream->header("content-type").starts_with("text/event-stream"));
  EXPECT_THAT(stream->body, HasSubstr("\"images\""));
}

TEST_F(QueueTest, SpeaksTheProxyProtocolOfTheOfficialClients) {
  auto target = [](std::string url) { return HeaderList{{"x-fal-target-url", std::move(url)}}; };
  auto reply =
      send("POST", "/api/fal/proxy", R"({"prompt":"a"})", target("https://queue.fal.run/fal-ai/flux-1/dev"));
  ASSERT_EQ(reply->status, 200);
  const std::string id = text_of(object_of(reply), "request_id");
  auto status =
      get("/api/fal/proxy", target("https://queue.fal.run/fal-ai/flux-1/requests/" + id + "/status?logs=1"));
  EXPECT_EQ(status->status, 202);
  EXPECT_EQ(get("/api/fal/proxy", target("https://elsewhere.example/x"))->status, 400);
  EXPECT_EQ(get("/api/fal/proxy")->status, 400);
}

TEST_F(QueueTest, MakesTinyPicturesForBenchmarks) {
  start({.latency_scale = 0, .tiny_images = true});
  auto body = object_of(get(text_of(submit({{"prompt", "a"}}), "response_url")));
  EXPECT_EQ(body.at("images").at(0).at("width"), 16);
  EXPECT_EQ(measure_picture(get(first_image(body))->body), (PixelSize{16, 16}));
}

TEST_F(QueueTest, CountsWhatItWasAsked) {
  auto accepted = submit({{"prompt", "a"}});
  get(text_of(accepted, "status_url"));
  post({{"prompt", "[fault:submit-429]"}});
  EXPECT_EQ(sandbox_->requests().posts, 2u);
  EXPECT_EQ(sandbox_->requests().accepted, 1u);
  EXPECT_EQ(sandbox_->requests().status, 1u);
  EXPECT_EQ(object_of(get("/_sandbox/stats")).at("accepted"), 1);
  auto shown = object_of(get("/_sandbox/requests/" + text_of(accepted, "request_id")));
  EXPECT_EQ(shown.at("input"), json::object({{"prompt", "a"}}));
}

}  // namespace
}  // namespace fluxgate::sandbox

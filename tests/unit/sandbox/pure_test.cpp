// The parts that are functions of their input: paths, tables, validation, pictures, faults.
#include <gtest/gtest.h>

#include "sandbox/data_uri.h"
#include "sandbox/faults.h"
#include "sandbox/input.h"
#include "sandbox/picture.h"
#include "sandbox/queue_path.h"
#include "sandbox_fixture.h"

namespace fluxgate::sandbox {
namespace {

const ProbeImage kEveryImageIsFine = [](std::string_view) {
  return ImageProbe{ImageProbe::State::fine, {640, 480}};
};

CheckedInput check(std::string_view endpoint, json::object body) {
  return check_input(*find_endpoint(endpoint), body, kEveryImageIsFine);
}

// "type@field" of every problem.
std::vector<std::string> problems_of(std::string_view endpoint, json::object body) {
  std::vector<std::string> found;
  auto checked = check(endpoint, std::move(body));
  for (const auto& entry : checked.problems) {
    std::string where;
    for (const auto& step : entry.at("loc").as_array())
      where += "/" + (step.is_string() ? std::string(step.as_string()) : json::serialize(step));
    found.push_back(fmt::format("{}@{}", std::string_view(entry.at("type").as_string()), where.substr(6)));
  }
  return found;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(EndpointPath, FollowsTheDocumentedExamples) {
  auto split = [](std::string_view id) {
    auto parts = split_endpoint_id(id);
    return parts ? parts->app + " " + parts->path : "none";
  };
  EXPECT_EQ(split("fal-ai/flux-1/dev"), "fal-ai/flux-1 dev");
  EXPECT_EQ(split("fal-ai/flux-1/dev/image-to-image"), "fal-ai/flux-1 dev/image-to-image");
  EXPECT_EQ(split("fal-ai/flux-pro/kontext/max/multi"), "fal-ai/flux-pro kontext/max/multi");
  EXPECT_EQ(split("fal-ai/flux-2-pro"), "fal-ai/flux-2-pro ");
  EXPECT_EQ(split("workflows/acme/poster"), "workflows/acme/poster ");
  EXPECT_EQ(split("flux"), "none");
}

TEST(EndpointTable, HasEveryModelOfTheClonesList) {
  for (std::string_view id :
       {"fal-ai/flux-1/dev", "fal-ai/flux-1/dev/image-to-image", "fal-ai/flux-1/dev/redux",
        "fal-ai/flux-1/schnell", "fal-ai/flux-1/schnell/redux", "fal-ai/flux-pro/kontext",
        "fal-ai/flux-pro/kontext/max", "fal-ai/flux-pro/kontext/max/multi",
        "fal-ai/flux-pro/kontext/max/text-to-image", "fal-ai/flux-pro/kontext/multi",
        "fal-ai/flux-pro/kontext/text-to-image"})
    EXPECT_NE(find_endpoint(id), nullptr) << id;
  EXPECT_EQ(find_endpoint("fal-ai/flux-pro/kontext/multi/max"), nullptr);
}

TEST(QueuePath, TellsTheOperationsApart) {
  EXPECT_EQ(read_queue_path("fal-ai/flux-1/dev").operation, Operation::submit);
  auto status = read_queue_path("fal-ai/flux-1/requests/abc/status");
  EXPECT_EQ(status.operation, Operation::status);
  EXPECT_EQ(status.endpoint, "fal-ai/flux-1");
  EXPECT_EQ(status.request_id, "abc");
  EXPECT_EQ(read_queue_path("/fal-ai/flux-1/requests/abc/status/").operation, Operation::status);
  EXPECT_EQ(read_queue_path("fal-ai/flux-1/requests/abc/status/stream").operation, Operation::stream);
  EXPECT_EQ(read_queue_path("fal-ai/flux-1/requests/abc").operation, Operation::result);
  EXPECT_EQ(read_queue_path("fal-ai/flux-1/requests/abc/response").operation, Operation::result);
  EXPECT_EQ(read_queue_path("fal-ai/flux-1/requests/abc/cancel").operation, Operation::cancel);
  EXPECT_TRUE(read_queue_path("fal-ai/flux-1/dev/requests/abc/status").full_id_form);
  EXPECT_EQ(read_queue_path("favicon.ico").operation, Operation::unknown);
}

TEST(InputCheck, AppliesTheDefaultsOfTheEndpoint) {
  auto checked = check("fal-ai/flux-1/dev", {{"prompt", "a boat"}});
  EXPECT_THAT(checked.problems, IsEmpty());
  EXPECT_EQ(checked.input.size, (PixelSize{1024, 768}));
  EXPECT_EQ(checked.input.steps, 28);
  EXPECT_EQ(checked.input.count, 1);
  EXPECT_EQ(checked.input.format, "jpeg");
  EXPECT_EQ(check("fal-ai/flux-1/schnell", {{"prompt", "a"}}).input.steps, 4);
  EXPECT_EQ(check("fal-ai/flux-2", {{"prompt", "a"}}).input.format, "png");
  EXPECT_EQ(check("fal-ai/flux-pro/kontext/text-to-image", {{"prompt", "a"}}).input.size,
            (PixelSize{1024, 1024}));
  EXPECT_EQ(check("fal-ai/flux-pro/v1.1-ultra", {{"prompt", "a"}}).input.size, (PixelSize{2752, 1536}));
}

TEST(InputCheck, NamesEachOffendingFieldWithPydanticsType) {
  EXPECT_THAT(problems_of("fal-ai/flux-1/dev", {}), ElementsAre("missing@prompt"));
  EXPECT_THAT(problems_of("fal-ai/flux-1/dev", {{"prompt", 3}}), ElementsAre("string_type@prompt"));
  EXPECT_THAT(problems_of("fal-ai/flux-1/dev", {{"prompt", "a"}, {"num_images", 5}}),
              ElementsAre("less_than_equal@num_images"));
  EXPECT_THAT(problems_of("fal-ai/flux-1/dev", {{"prompt", "a"}, {"num_images", 0}}),
              ElementsAre("greater_than_equal@num_images"));
  EXPECT_THAT(problems_of("fal-ai/flux-1/dev", {{"prompt", "a"}, {"num_images", 1.5}}),
              ElementsAre("int_from_float@num_images"));
  EXPECT_THAT(problems_of("fal-ai/flux-1/dev", {{"prompt", "a"}, {"seed", "x"}}),
              ElementsAre("int_parsing@seed"));
  EXPECT_THAT(problems_of("fal-ai/flux-1/dev", {{"prompt", "a"}, {"output_format", "webp"}}),
              ElementsAre("literal_error@output_format"));
  EXPECT_THAT(problems_of("fal-ai/flux-1/dev", {{"prompt", "a"}, {"image_size", "giant"}}),
              ElementsAre("enum@image_size"));
  EXPECT_THAT(problems_of("fal-ai/flux-1/dev", {{"prompt", "a"}, {"image_size", {{"width", 0}}}}),
              ElementsAre("greater_than@image_size/width"));
  EXPECT_THAT(problems_of("fal-ai/flux-1/dev", {{"prompt", "a"}, {"sync_mode", "maybe"}}),
              ElementsAre("bool_parsing@sync_mode"));
  EXPECT_THAT(problems_of("fal-ai/flux-1/schnell", {{"prompt", "a"}, {"num_inference_steps", 13}}),
              ElementsAre("less_than_equal@num_inference_steps"));
}

TEST(InputCheck, KnowsThatSafetyToleranceIsText) {
  EXPECT_THAT(problems_of("fal-ai/flux-pro/v1.1", {{"prompt", "a"}, {"safety_tolerance", 2}}),
              ElementsAre("literal_error@safety_tolerance"));
  EXPECT_THAT(problems_of("fal-ai/flux-pro/v1.1", {{"prompt", "a"}, {"safety_tolerance", "6"}}), IsEmpty());
  EXPECT_THAT(problems_of("fal-ai/flux-2-pro", {{"prompt", "a"}, {"safety_tolerance", "6"}}),
              ElementsAre("literal_error@safety_tolerance"));
}

TEST(InputCheck, LimitsCustomSizesByFamily) {
  auto sized = [](int width, int height) {
    return json::object{{"prompt", "a"}, {"image_size", {{"width", width}, {"height", height}}}};
  };
  EXPECT_EQ(check("fal-ai/flux-1/dev", sized(1000, 500)).input.size, (PixelSize{1008, 496}));
  EXPECT_THAT(problems_of("fal-ai/flux-2", sized(500, 600)),
              ElementsAre("greater_than_equal@image_size/width"));
  EXPECT_THAT(problems_of("fal-ai/flux-2-pro", sized(1000, 1024)),
              ElementsAre("multiple_of@image_size/width"));
  EXPECT_THAT(problems_of("fal-ai/flux-2-pro", sized(2560, 2560)), ElementsAre("value_error@image_size"));
}

TEST(InputCheck, FollowsTheInputImageWhereNoSizeIsTaken) {
  auto checked =
      check("fal-ai/flux-1/dev/image-to-image", {{"prompt", "a"}, {"image_url", "https://a.example/b.png"}});
  EXPECT_EQ(checked.input.size, (PixelSize{640, 480}));
  EXPECT_THAT(problems_of("fal-ai/flux-pro/kontext/multi", {{"prompt", "a"}, {"image_urls", json::array()}}),
              ElementsAre("too_short@image_urls"));
  EXPECT_THAT(
      problems_of("fal-ai/flux-pro/kontext", {{"prompt", "a"}, {"aspect_ratio", "5:4"}, {"image_url", "x"}}),
      ElementsAre("literal_error@aspect_ratio"));
  EXPECT_THAT(problems_of("fal-ai/flux-pro/v1.1-ultra", {{"prompt", "a"}, {"aspect_ratio", "5:4"}}),
              IsEmpty());
}

TEST(InputCheck, IgnoresUnknownFields) {
  EXPECT_THAT(problems_of("fal-ai/flux-1/dev", {{"prompt", "a"}, {"negative_prompt", "b"}, {"x", nullptr}}),
              IsEmpty());
}

TEST(Picture, HasTheSizeAndTypeThatWereAskedFor) {
  for (std::string format : {"jpeg", "png", "webp"}) {
    auto bytes = paint_picture({.size = {320, 200}, .format = format, .motif = 7, .caption = "FLUX"});
    ASSERT_TRUE(bytes) << format;
    EXPECT_EQ(measure_picture(*bytes), (PixelSize{320, 200})) << format;
    // PNG keeps its comment compressed.
    EXPECT_NE(bytes->find(format == "png" ? "zTXtComment" : "Fluxgate sandbox"), std::string::npos) << format;
  }
}

TEST(Picture, IsTheSameForTheSameMotifAndDiffersForAnother) {
  PictureSpec spec{.size = {64, 64}, .format = "png", .motif = 7};
  PictureSpec other = spec;
  other.motif = 8;
  EXPECT_EQ(paint_picture(spec).value(), paint_picture(spec).value());
  EXPECT_NE(paint_picture(spec).value(), paint_picture(other).value());
}

TEST(Picture, SurvivesEverySmallSize) {
  for (int side : {1, 2, 16, 45, 46, 47})
    EXPECT_TRUE(paint_picture({.size = {side, side}, .motif = 1, .caption = "C"})) << side;
}

TEST(DataUri, IsReplacedByWhatWasFound) {
  auto bytes = paint_picture({.size = {48, 32}, .format = "png"});
  json::value input = json::object{
      {"image_urls", json::array{"data:image/png;base64," + crypto::base64(*bytes),
                                 "data:image/png;base64,bm90aGluZw==", "https://a.example/b.png"}}};
  replace_data_uris(input);
  const auto& links = input.at("image_urls").as_array();
  auto first = read_data_uri_note(links[0].as_string());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->state, ImageProbe::State::fine);
  EXPECT_EQ(first->size, (PixelSize{48, 32}));
  EXPECT_EQ(read_data_uri_note(links[1].as_string())->state, ImageProbe::State::not_an_image);
  EXPECT_FALSE(read_data_uri_note(links[2].as_string()));
  EXPECT_LT(json::serialize(input).size(), 300u);
}

TEST(Faults, AreReadFromHeadersAndPrompts) {
  auto list = parse_faults("submit-429;times=2, media-slow;seconds=1.5 ,status-lost;p=0.5");
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 3u);
  EXPECT_EQ(list->at(0).text(), "submit-429;times=2");
  EXPECT_EQ(list->at(1).text(), "media-slow;seconds=1.5");
  EXPECT_EQ(list->at(2).text(), "status-lost;p=0.5");
  auto prompt =
      faults_in_prompt("a cat [fault:result-500;times=1] on [fault:no-such] a [fault:media-404] mat [fault:");
  ASSERT_EQ(prompt.size(), 2u);
  EXPECT_EQ(prompt[0].text(), "result-500;times=1");
  EXPECT_EQ(prompt[1].text(), "media-404");
}

TEST(Faults, RefuseUnknownKindsAndOptions) {
  for (std::string_view text :
       {"submit-418", "429", "media-lost", "submit-429;times", "submit-429;tries=2", "x-y"})
    EXPECT_FALSE(parse_fault(text)) << text;
}

TEST(Faults, EveryKindCanBeWrittenForEachOfItsStages) {
  for (const FaultKind& kind : fault_kinds()) {
    std::string stage(kind.stages == "*" ? "submit" : kind.stages);
    EXPECT_TRUE(parse_fault(fmt::format("{}-{}", stage, kind.action))) << stage << "-" << kind.action;
  }
}

TEST(FaultCounter, EndsAfterTheGivenTimesPerRequest) {
  FaultCounter counter({});
  std::vector<Fault> own{*parse_fault("status-500;times=2")};
  EXPECT_TRUE(counter.hit(Stage::status, own, "a"));
  EXPECT_TRUE(counter.hit(Stage::status, own, "a"));
  EXPECT_FALSE(counter.hit(Stage::status, own, "a"));
  EXPECT_TRUE(counter.hit(Stage::status, own, "b"));
  EXPECT_FALSE(counter.hit(Stage::result, own, "b"));
}

TEST(FaultCounter, CountsGlobalFaultsOverAllRequests) {
  FaultCounter counter({*parse_fault("submit-503;times=1")});
  EXPECT_TRUE(counter.hit(Stage::submit, {}, "a"));
  EXPECT_FALSE(counter.hit(Stage::submit, {}, "b"));
}

}  // namespace
}  // namespace fluxgate::sandbox

// Requests as hostile clients send them, and what refusals say.
#include <chrono>
#include <random>

#include "support.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

const Model& dev() { return *built_in()->find("fal-ai/flux-1/dev"); }

FieldError refusal(const json::object& input) {
  auto refused = dev().validate("text_to_image", input);
  EXPECT_FALSE(refused);
  return refused ? FieldError{} : refused.error().fields().front();
}

TEST(Refusals, NameTheFieldTheRuleAndWhatWasReceivedInBothLanguages) {
  const FieldError few = refusal({{"prompt", "a"}, {"num_inference_steps", 51}});
  EXPECT_EQ(few.message.en, "num_inference_steps must be at most 50; received 51.");
  EXPECT_EQ(few.message.zh, "num_inference_steps 必须小于或等于 50，收到 51。");
  EXPECT_EQ(few.context, (json::object{{"le", 50}}));
  EXPECT_EQ(few.input, json::value(51));

  const FieldError format = refusal({{"prompt", "a"}, {"output_format", "jpg"}});
  EXPECT_EQ(format.message.en,
            R"(output_format must be one of jpeg, png (did you mean jpeg?); received "jpg".)");
  EXPECT_EQ(format.message.zh, R"(output_format 必须是以下之一：jpeg、png（是否想用 jpeg？），收到 "jpg"。)");

  const FieldError unknown = refusal({{"prompt", "a"}, {"num_image", 2}});
  EXPECT_EQ(unknown.message.en, "num_image is not a parameter here (did you mean num_images?); received 2.");

  const FieldError width = refusal({{"prompt", "a"}, {"image_size", {{"width", 10}, {"height", 512}}}});
  EXPECT_EQ(width.message.en, "image_size.width must be at least 64; received 10.");
  EXPECT_EQ(width.context, (json::object{{"ge", 64}}));

  const FieldError absent = refusal({{"seed", 1}});
  EXPECT_EQ(absent.message.en, "prompt is required; it is absent.");
  EXPECT_EQ(absent.input, (json::value{{"seed", 1}}));
}

TEST(Refusals, OfTooManyImagesPointToBatches) {
  const FieldError error = refusal({{"prompt", "a"}, {"num_images", 5}});
  EXPECT_EQ(error.type, "less_than_equal");
  EXPECT_NE(error.message.en.find("batch"), std::string::npos);
  EXPECT_NE(error.message.zh.find("批量"), std::string::npos);
}

TEST(Refusals, StaySmallWhateverIsSent) {
  const std::string vast(5'000'000, 'x');
  for (const json::object& input : std::vector<json::object>{{{"prompt", vast}},
                                                             {{"prompt", "a"}, {"seed", vast}},
                                                             {{"prompt", "a"}, {vast, 1}},
                                                             {{"prompt", "a"}, {"output_format", vast}},
                                                             {{"seed", vast}}}) {
    auto refused = dev().validate("text_to_image", input);
    ASSERT_FALSE(refused);
    std::size_t size = 0;
    for (const FieldError& error : refused.error().fields()) {
      size += error.message.en.size() + error.message.zh.size() + json::serialize(error.input).size();
      for (const auto& step : error.loc)
        if (const auto* name = std::get_if<std::string>(&step)) size += name->size();
    }
    EXPECT_LT(size, 4'000u);
  }
  json::object many{{"prompt", "a"}};
  for (int i = 0; i < 10'000; ++i) many["unknown_" + std::to_string(i)] = i;
  auto refused = dev().validate("text_to_image", many);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fields().size(), 50u);
}

TEST(Refusals, CutInsideNoCharacter) {
  for (std::size_t padding = 0; padding < 6; ++padding) {
    std::string text(padding, 'x');
    for (int i = 0; i < 1'000; ++i) text += i % 2 == 0 ? "猫" : "😀";
    const FieldError error = refusal({{"prompt", "a"}, {"seed", text}});
    boost::system::error_code wrong;
    json::parse(json::serialize(json::string(error.message.zh)), wrong);
    EXPECT_FALSE(wrong) << padding;
    json::parse(json::serialize(error.input), wrong);
    EXPECT_FALSE(wrong) << padding;
  }
}

TEST(Inputs, ComeInTheOrderInWhichTheyStand) {
  const Model* multi = built_in()->find("fal-ai/flux-pro/kontext/multi");
  auto taken =
      multi->validate("multi_image_edit", {{"image_urls", {"u3", "u1", "u1", "u2"}}, {"prompt", "a"}});
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->inputs, (std::vector<std::string>{"u3", "u1", "u1", "u2"}));
  const json::object body = multi->upstream_body("multi_image_edit", taken->params, {"a", "b", "c", "d"});
  EXPECT_EQ(body.at("image_urls"), (json::value{"a", "b", "c", "d"}));
  // A task that lost its inputs still says what it was given.
  EXPECT_EQ(multi->upstream_body("multi_image_edit", taken->params, {"a"}).at("image_urls"),
            (json::value{"a", "u1", "u1", "u2"}));
}

json::value anything(std::mt19937_64& random, int depth = 0) {
  switch (random() % (depth > 2 ? 8 : 10)) {
    case 0: return nullptr;
    case 1: return random() % 2 == 0;
    case 2: return static_cast<std::int64_t>(random());
    case 3: return random();
    case 4: return static_cast<double>(static_cast<std::int64_t>(random())) / 1e9;
    case 5: return json::string(std::to_string(random() % 100));
    case 6: return static_cast<std::int64_t>(random() % 60);
    case 7: return json::string(std::string(random() % 12, random() % 2 ? 'a' : '"') + "猫");
    case 8: {
      json::array list;
      for (auto n = random() % 4; n > 0; --n) list.push_back(anything(random, depth + 1));
      return list;
    }
    default: {
      json::object object;
      for (auto n = random() % 4; n > 0; --n)
        object[random() % 2 ? "width" : "height"] = anything(random, depth + 1);
      return object;
    }
  }
}

// Whatever is sent, it is refused or it is a request that can be priced and sent; what was taken is taken
// again and stays the same.
TEST(Inputs, OfAnyKindAreRefusedOrGood) {
  const std::vector<std::string> names{"prompt",
                                       "image_url",
                                       "image_urls",
                                       "image_size",
                                       "aspect_ratio",
                                       "num_images",
                                       "num_inference_steps",
                                       "guidance_scale",
                                       "strength",
                                       "seed",
                                       "safety_tolerance",
                                       "enable_safety_checker",
                                       "output_format",
                                       "acceleration",
                                       "raw",
                                       "x"};
  int good = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed)
    for (const Model* model : built_in()->models())
      for (const std::string& endpoint : model->endpoints()) {
        std::mt19937_64 random(seed);
        json::object input{{"prompt", "a"}, {"image_url", "u"}};
        if (endpoint == "text_to_image") input.erase("image_url");
        if (endpoint == "multi_image_edit") input = {{"prompt", "a"}, {"image_urls", {"u"}}};
        for (auto n = random() % 3; n > 0; --n) input[names[random() % names.size()]] = anything(random);
        auto taken = model->validate(endpoint, input);
        if (!taken) {
          EXPECT_FALSE(taken.error().fields().empty());
          continue;
        }
        ++good;
        const Credits price = model->quote(taken->params).total;
        EXPECT_GT(price, Credits{});
        EXPECT_LE(price, Credits::whole(10'000));
        auto again = model->validate(endpoint, taken->params);
        ASSERT_TRUE(again) << model->id() << " seed " << seed;
        EXPECT_EQ(again->params, taken->params);
        EXPECT_EQ(model->quote(again->params).total, price);
        for (int images = 0; images <= taken->images; ++images)
          EXPECT_LE(model->quote_for(taken->params, images).total, price);
      }
  EXPECT_GT(good, 3'000);
}

}  // namespace
}  // namespace fluxgate::catalogue

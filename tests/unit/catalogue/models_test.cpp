// Promises about every built-in model, told from their own schemas, and about the original's eleven.
#include <set>

#include "catalogue/schema.h"
#include "support.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

struct Served {
  const Model* model;
  std::string endpoint;
  std::shared_ptr<const Schema> schema;
  json::object least;  // a request with only what is required
};

json::value example(const Schema& schema) {
  if (!schema.choices().empty()) return schema.choices().front();
  if (schema.types() & Schema::array) return json::array{"https://example.com/a.png"};
  return "https://example.com/a.png";
}

// Every model at every endpoint that it serves.
const std::vector<Served>& all_served() {
  static const std::vector<Served> list = [] {
    std::vector<Served> served;
    for (const Model* model : built_in()->models())
      for (const std::string& endpoint : model->endpoints()) {
        Problems problems;
        Served one{model, endpoint, Schema::compile(model->schema_for(endpoint), "", problems), {}};
        EXPECT_TRUE(problems.empty());
        for (const std::string& name : one.schema->required())
          one.least[name] = example(*one.schema->find(name)->schema);
        served.push_back(std::move(one));
      }
    return served;
  }();
  return list;
}

std::string told(const Served& served) { return served.model->id() + " at " + served.endpoint; }

bool takes(const Served& served, std::string_view member, json::value value) {
  json::object input = served.least;
  input[member] = std::move(value);
  return served.model->validate(served.endpoint, input).has_value();
}

TEST(BuiltInModels, TakeARequestWithOnlyWhatIsRequiredAndFillTheDefaultsIn) {
  for (const Served& served : all_served()) {
    SCOPED_TRACE(told(served));
    auto taken = served.model->validate(served.endpoint, served.least);
    ASSERT_TRUE(taken) << taken.error().message().en;
    for (const auto& property : served.schema->properties()) {
      const auto* standard = property.schema->default_value();
      const bool shown = property.schema->words().visible_if.empty();
      EXPECT_EQ(taken->params.contains(property.name),
                served.least.contains(property.name) || (standard && shown))
          << property.name;
    }
    EXPECT_EQ(taken->images, 1);
    EXPECT_TRUE(taken->dropped.empty());
    EXPECT_GT(served.model->quote(taken->params).total, Credits{});
    // What is in force is itself a good request: a history entry can be sent again.
    auto again = served.model->validate(served.endpoint, taken->params);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->params, taken->params);
  }
}

TEST(BuiltInModels, KeepBothSidesOfEveryLimit) {
  int limits = 0;
  for (const Served& served : all_served())
    for (const auto& [name, schema] : served.schema->properties()) {
      SCOPED_TRACE(told(served) + " " + name);
      const double step = schema->types() & Schema::integer ? 1 : 0.001;
      const auto number = [&](double n) {
        return step == 1 ? json::value(static_cast<std::int64_t>(n)) : json::value(n);
      };
      if (schema->minimum()) {
        ++limits;
        EXPECT_TRUE(takes(served, name, number(*schema->minimum())));
        EXPECT_FALSE(takes(served, name, number(*schema->minimum() - step)));
      }
      if (schema->maximum()) {
        ++limits;
        EXPECT_TRUE(takes(served, name, number(*schema->maximum())));
        // 28 steps are the original's default: dropped where twelve are the most.
        EXPECT_FALSE(takes(served, name, number(*schema->maximum() + step)));
      }
      for (const json::value& choice : schema->choices()) EXPECT_TRUE(takes(served, name, choice));
      if (!schema->choices().empty()) EXPECT_FALSE(takes(served, name, "no such choice"));
      if (schema->types() == Schema::boolean) {
        EXPECT_TRUE(takes(served, name, true) && takes(served, name, false));
        EXPECT_FALSE(takes(served, name, "perhaps"));
      }
    }
  EXPECT_GT(limits, 200);
}

TEST(BuiltInModels, TakeEveryNamedSizeAndKnowItsPixels) {
  int sizes = 0;
  for (const Served& served : all_served())
    for (const auto& [name, schema] : served.schema->properties()) {
      if (schema->words().role != "size") continue;
      SCOPED_TRACE(told(served));
      const json::array& names = schema->shown().at("then").at("enum").as_array();
      for (const json::value& size : names) {
        ++sizes;
        EXPECT_TRUE(takes(served, name, size));
        EXPECT_TRUE(size == json::value("auto") ||
                    schema->words().sizes.contains(std::string_view(size.as_string())));
      }
      for (const auto& [preset, size] : schema->words().sizes)
        if (size.width != 512 && size.height != 576 && size.width != 576)  // below FLUX.2's smallest sides
          EXPECT_TRUE(takes(served, name, {{"width", size.width}, {"height", size.height}})) << preset;
    }
  EXPECT_GT(sizes, 100);
}

TEST(BuiltInModels, DropWhatTheOriginalsClientsSendAndNothingElse) {
  // Its defaults, as its published client sends them with every request.
  const std::map<std::string, json::object> sent{{"text_to_image",
                                                  {{"num_images", 1},
                                                   {"image_size", nullptr},
                                                   {"aspect_ratio", nullptr},
                                                   {"guidance_scale", 3.5},
                                                   {"num_inference_steps", 28},
                                                   {"seed", nullptr},
                                                   {"sync_mode", false},
                                                   {"safety_tolerance", 2},
                                                   {"enable_safety_checker", true},
                                                   {"output_format", "jpeg"}}},
                                                 {"image_to_image",
                                                  {{"strength", 0.95},
                                                   {"num_images", 1},
                                                   {"num_inference_steps", 40},
                                                   {"guidance_scale", 3.5},
                                                   {"seed", nullptr},
                                                   {"sync_mode", false},
                                                   {"enable_safety_checker", true},
                                                   {"image_size", nullptr}}},
                                                 {"multi_image_edit",
                                                  {{"num_images", 1},
                                                   {"guidance_scale", 3.5},
                                                   {"seed", nullptr},
                                                   {"aspect_ratio", nullptr},
                                                   {"sync_mode", false},
                                                   {"safety_tolerance", "2"},
                                                   {"output_format", "jpeg"}}}};
  for (const Served& served : all_served()) {
    SCOPED_TRACE(told(served));
    json::object input = served.least;
    input["prompt"] = "a";
    for (const auto& [name, value] : sent.at(served.endpoint)) input[name] = value;
    auto taken = served.model->validate(served.endpoint, input);
    ASSERT_TRUE(taken) << taken.error().message().en;
    for (const std::string& name : taken->dropped) {
      EXPECT_TRUE(input.contains(name)) << name;
      const auto* property = served.schema->find(name);
      EXPECT_TRUE(!property || !property->schema->accepts(input.at(name))) << name;
    }
    // Any other value of a member that it lacks is refused.
    for (const auto& [name, value] : sent.at(served.endpoint))
      if (!served.schema->find(name))
        EXPECT_FALSE(takes(served, name, name == "guidance_scale" ? json::value(4) : "x")) << name;
  }
}

TEST(BuiltInModels, SendOnlyWhatTheyTakeAndInTheOrderOfTheInputs) {
  for (const Served& served : all_served()) {
    SCOPED_TRACE(told(served));
    json::object input = served.least;
    input["prompt"] = "a";
    if (served.schema->find("image_urls"))
      input["image_urls"] = {"https://e.com/1", "https://e.com/2", "https://e.com/3"};
    auto taken = served.model->validate(served.endpoint, input);
    ASSERT_TRUE(taken);
    std::vector<std::string> resolved;
    for (const std::string& given : taken->inputs) resolved.push_back("resolved:" + given);
    const json::object body = served.model->upstream_body(served.endpoint, taken->params, resolved);
    for (const auto& [name, value] : body) {
      const auto* property = served.schema->find(name);
      ASSERT_TRUE(property) << name;
    }
    EXPECT_FALSE(body.contains("sync_mode"));
    if (const auto* url = body.if_contains("image_url")) EXPECT_EQ(*url, json::value(resolved.front()));
    if (const auto* urls = body.if_contains("image_urls")) EXPECT_EQ(*urls, json::value_from(resolved));
    if (const auto* tolerance = body.if_contains("safety_tolerance")) EXPECT_TRUE(tolerance->is_string());
    const bool redux_of_flux1 =
        served.model->kind() == "redux" && served.model->id().find("pro") == std::string::npos;
    EXPECT_EQ(body.contains("prompt"), !redux_of_flux1);
  }
}

TEST(BuiltInModels, GoToAPathOfTheirOwn) {
  std::map<std::string, std::string> model_of_path;
  for (const Served& served : all_served()) {
    const std::string path = served.model->upstream_path(served.endpoint);
    // Kontext makes images from text under another path, which is a model of its own too.
    const bool kontext = served.endpoint == "text_to_image" && path.ends_with("/text-to-image");
    if (kontext) continue;
    EXPECT_EQ(path, served.model->id());
    EXPECT_TRUE(model_of_path.emplace(path, served.model->id()).second) << path;
  }
}

TEST(BuiltInModels, ShowNothingOfTheUpstreamAndLabelEverythingInBothLanguages) {
  for (const Model* model : built_in()->models()) {
    const json::object descriptor = model->descriptor();
    const std::string text = json::serialize(descriptor);
    for (const char* hidden : {"x-send", "\"path\"", "$use", "extends", "constants"})
      EXPECT_EQ(text.find(hidden), std::string::npos) << model->id() << " shows " << hidden;
    EXPECT_EQ(descriptor.at("endpoints"), json::value_from(model->endpoints()));
    for (const auto& [name, property] : descriptor.at("schema").at("properties").as_object()) {
      const auto* label = property.as_object().if_contains("x-label");
      ASSERT_TRUE(label) << model->id() << " " << std::string_view(name);
      EXPECT_TRUE(label->as_object().contains("en") && label->as_object().contains("zh-CN"));
    }
  }
}

struct Original {
  const char* id;
  const char* kind;
  int price;
  std::vector<std::string> endpoints;
};

TEST(TheOriginalsModels, AreAllServedAtTheirPricesAndEndpoints) {
  const std::string t2i = "text_to_image", i2i = "image_to_image", multi = "multi_image_edit";
  for (const Original& original :
       std::vector<Original>{{"fal-ai/flux-1/dev", "text_to_image", 10, {t2i}},
                             {"fal-ai/flux-1/dev/image-to-image", "image_to_image", 10, {i2i}},
                             {"fal-ai/flux-1/dev/redux", "redux", 10, {i2i}},
                             {"fal-ai/flux-1/schnell", "text_to_image", 5, {t2i}},
                             {"fal-ai/flux-1/schnell/redux", "redux", 5, {i2i}},
                             {"fal-ai/flux-pro/kontext", "text_to_image", 25, {i2i, t2i}},
                             {"fal-ai/flux-pro/kontext/max", "text_to_image", 35, {i2i, t2i}},
                             {"fal-ai/flux-pro/kontext/max/multi", "multi_image", 35, {multi}},
                             {"fal-ai/flux-pro/kontext/max/text-to-image", "text_to_image", 35, {t2i}},
                             {"fal-ai/flux-pro/kontext/multi", "multi_image", 30, {multi}},
                             {"fal-ai/flux-pro/kontext/text-to-image", "text_to_image", 25, {t2i}}}) {
    const Model* model = built_in()->find(original.id);
    ASSERT_TRUE(model) << original.id;
    EXPECT_EQ(model->kind(), original.kind);
    EXPECT_EQ(model->endpoints(), original.endpoints) << original.id;
    for (int n = 1; n <= 4; ++n)
      EXPECT_EQ(model->quote({{"num_images", n}}).total, Credits::whole(original.price * n)) << original.id;
  }
}

TEST(TheCatalogue, NamesTheNearestModelOfTheProvider) {
  auto refused = built_in()->require("flux", "fal-ai/flux-1/shnell");
  ASSERT_FALSE(refused);
  const FieldError& error = refused.error().fields().front();
  EXPECT_EQ(error.context.at("nearest"), json::value("fal-ai/flux-1/schnell"));
  EXPECT_EQ(error.loc.back(), Location::value_type(std::string("model")));
  EXPECT_FALSE(built_in()->require("kling", "fal-ai/flux-1/dev"));
  auto vast = built_in()->require("flux", std::string(1'000'000, 'x'));
  ASSERT_FALSE(vast);
  EXPECT_LT(json::serialize(vast.error().fields().front().input).size(), 2'000u);
}

TEST(TheCatalogue, SaysWhichModelsServeTheEndpointInstead) {
  auto refused = built_in()->find("fal-ai/flux-1/dev")->validate("image_to_image", {{"prompt", "a"}});
  ASSERT_FALSE(refused);
  const FieldError& error = refused.error().fields().front();
  EXPECT_EQ(error.type, "model_endpoint");
  EXPECT_EQ(error.context.at("models").as_array().front(), json::value("fal-ai/flux-1/dev/image-to-image"));
}

TEST(TheCatalogue, ChargesForWhatWasDelivered) {
  const Model* dev = built_in()->find("fal-ai/flux-1/dev");
  const json::object params{{"prompt", "a"}, {"num_images", 4}};
  EXPECT_EQ(dev->quote(params).total, Credits::whole(40));
  EXPECT_EQ(dev->quote_for(params, 3).total, Credits::whole(30));
  EXPECT_EQ(dev->quote_for(params, 0).total, Credits{});
  // No count in its rule; nothing delivered is free all the same.
  const Model* pro = built_in()->find("fal-ai/flux-2-pro");
  EXPECT_EQ(pro->quote_for({}, 1).total, Credits::whole(20));
  EXPECT_EQ(pro->quote_for({}, 0).total, Credits{});
}

TEST(TheCatalogue, TakesAnAdminsPrices) {
  auto loaded = load(
      "", {{"fal-ai/flux-1/schnell", *Credits::parse("0.125")}, {"fal-ai/flux-pro/max", Credits::whole(35)}});
  ASSERT_TRUE(loaded.catalogue);
  const Model* schnell = loaded.catalogue->find("fal-ai/flux-1/schnell");
  EXPECT_EQ(schnell->quote({{"num_images", 3}}).total, Credits::thousandths(375));
  EXPECT_EQ(schnell->descriptor().at("price").at("base"), json::value("0.125"));
  EXPECT_NE(loaded.catalogue->etag(), built_in()->etag());
}

TEST(TheCatalogue, ExplainsAnAmountLineByLine) {
  const Quote quote = built_in()
                          ->find("fal-ai/flux-2")
                          ->quote({{"num_images", 3}, {"image_size", {{"width", 2048}, {"height", 1024}}}});
  ASSERT_EQ(quote.lines.size(), 3u);
  EXPECT_EQ(quote.lines[0].amount, Credits::whole(8));
  EXPECT_EQ(quote.lines[1].label, (Text{"× 3 (Images)", "× 3（图片数）"}));
  EXPECT_EQ(quote.lines[1].amount, Credits::whole(24));
  EXPECT_EQ(quote.lines[2].label, (Text{"× 2 (megapixels)", "× 2（百万像素）"}));
  EXPECT_EQ(quote.lines[2].amount, quote.total);
  EXPECT_EQ(quote.total, Credits::whole(48));
}

}  // namespace
}  // namespace fluxgate::catalogue

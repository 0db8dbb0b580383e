// What an operator keeps in DATA_DIR/catalogue/: added, replaced, extended, or refused with the place.
#include <random>

#include "support.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

// A small good descriptor; `changes` is laid over it.
json::object descriptor(json::object changes = {}) {
  json::object own{
      {"id", "own"},
      {"provider", "flux"},
      {"kind", "text_to_image"},
      {"rev", 1},
      {"status", "stable"},
      {"title", {{"en", "Own"}, {"zh-CN", "自有"}}},
      {"schema",
       {{"type", "object"},
        {"required", {"prompt"}},
        {"additionalProperties", false},
        {"properties", {{"prompt", {{"$use", "prompt"}}}, {"num_images", {{"$use", "num_images"}}}}}}},
      {"endpoints", {{"text_to_image", {{"path", "own/path"}}}}},
      {"price", {{"base", "1"}}}};
  for (auto& [name, value] : changes) own[name] = value;
  return own;
}

void expect_well(const Loaded& loaded) {
  for (const Problem& problem : loaded.problems) ADD_FAILURE() << problem.where << " " << problem.what;
  ASSERT_TRUE(loaded.catalogue);
}

TEST(OwnDescriptors, AddAModelWithoutARebuild) {
  OwnFolder folder;
  folder.with("own.json", json::serialize(descriptor())).with("deep/er/notes.txt", "no descriptor");
  auto loaded = folder.loaded();
  expect_well(loaded);
  const Model* own = loaded.catalogue->find("own");
  ASSERT_TRUE(own);
  EXPECT_EQ(own->upstream_path("text_to_image"), "own/path");
  EXPECT_EQ(own->description(), Text{});
  EXPECT_TRUE(own->validate("text_to_image", {{"prompt", "a"}, {"sync_mode", false}}));
  EXPECT_EQ(loaded.catalogue->models().size(), built_in()->models().size() + 1);
}

TEST(OwnDescriptors, ThatAreAbsentLeaveTheBuiltIn) {
  EXPECT_EQ(load("/no/such/folder").catalogue->etag(), built_in()->etag());
  OwnFolder empty;
  EXPECT_EQ(empty.loaded().catalogue->etag(), built_in()->etag());
}

TEST(OwnDescriptors, ExtendABuiltInModelOfTheSameId) {
  OwnFolder folder;
  folder.with(
      "dev.json",
      R"({"id": "fal-ai/flux-1/dev", "extends": "fal-ai/flux-1/dev", "rev": 2, "price": {"base": "12.5"},
    "schema": {"properties": {"num_images": {"maximum": 2}, "acceleration": null}}})");
  auto loaded = folder.loaded();
  expect_well(loaded);
  const Model* dev = loaded.catalogue->find("fal-ai/flux-1/dev");
  EXPECT_EQ(dev->rev(), 2);
  EXPECT_EQ(dev->quote({{"num_images", 2}}).total, Credits::whole(25));
  EXPECT_FALSE(dev->validate("text_to_image", {{"prompt", "a"}, {"num_images", 3}}));
  EXPECT_FALSE(dev->validate("text_to_image", {{"prompt", "a"}, {"acceleration", "none"}}));
  // Others that are built on it stay as they are.
  EXPECT_TRUE(loaded.catalogue->find("fal-ai/flux-1/schnell")
                  ->validate("text_to_image", {{"prompt", "a"}, {"num_images", 4}}));
  EXPECT_EQ(loaded.catalogue->models().size(), built_in()->models().size());
}

TEST(OwnDescriptors, ExtendEachOtherAndMapParametersToTheUpstreamsNames) {
  OwnFolder folder;
  folder.with("a/base.json", json::serialize(descriptor()))
      .with("b.json", R"({"id": "b", "extends": "own", "schema": {"properties": {
        "prompt": {"x-send": {"as": "text"}},
        "seed": {"$use": "seed", "x-send": {"type": "text"}},
        "quality": {"type": "string", "enum": ["1", "2"], "default": "2", "x-send": {"as": "level", "type": "integer"}},
        "image_url": {"$use": "image_url", "x-send": {"as": "images", "type": "list"}}}},
        "endpoints": {"text_to_image": {"path": "b", "constants": {"watermark": false},
                      "schema": {"properties": {"image_url": null}}},
                      "image_to_image": {"path": "b/edit", "schema": {"required": ["prompt", "image_url"]}}}})");
  auto loaded = folder.loaded();
  expect_well(loaded);
  const Model* b = loaded.catalogue->find("b");
  auto text = b->validate("text_to_image", {{"prompt", "a"}, {"seed", 7}});
  ASSERT_TRUE(text);
  EXPECT_EQ(
      b->upstream_body("text_to_image", text->params, {}),
      (json::object{{"text", "a"}, {"num_images", 1}, {"seed", "7"}, {"level", 2}, {"watermark", false}}));
  EXPECT_FALSE(b->validate("text_to_image", {{"prompt", "a"}, {"image_url", "https://e.com"}}));
  EXPECT_FALSE(b->validate("image_to_image", {{"prompt", "a"}}));
  auto edit = b->validate("image_to_image", {{"prompt", "a"}, {"image_url", "https://e.com"}});
  ASSERT_TRUE(edit);
  EXPECT_EQ(b->upstream_body("image_to_image", edit->params, {"https://cdn"}),
            (json::object{{"text", "a"}, {"num_images", 1}, {"level", 2}, {"images", {"https://cdn"}}}));
  const json::object shown = b->descriptor();
  EXPECT_TRUE(shown.at("endpoint_schemas").as_object().contains("text_to_image"));
  EXPECT_EQ(json::serialize(shown).find("watermark"), std::string::npos);
}

TEST(OwnDescriptors, MayBringAProviderAndPartsOfTheirOwn) {
  OwnFolder folder;
  json::object own = descriptor({{"provider", "house"}, {"endpoints", {{"paint", {{"path", "p"}}}}}});
  own["schema"].as_object()["properties"] = {{"prompt", {{"$use", "words"}}}};
  folder
      .with("house/shared.json",
            R"({"provider": "house", "parts": {"words": {"type": "string"}}, "original": {"paint": {}}})")
      .with("house/own.json", json::serialize(own));
  auto loaded = folder.loaded();
  expect_well(loaded);
  EXPECT_TRUE(loaded.catalogue->find("own")->validate("paint", {{"prompt", "a"}}));
  EXPECT_EQ(loaded.catalogue->models("house").size(), 1u);
  EXPECT_EQ(loaded.catalogue->models("flux").size(), built_in()->models().size());
}

TEST(OwnDescriptors, HideDefaultsThatXVisibleIfHides) {
  OwnFolder folder;
  json::object own = descriptor();
  own["schema"].as_object()["properties"].as_object()["mode"] = {{"enum", {"auto", "custom"}},
                                                                 {"default", "auto"}};
  own["schema"].as_object()["properties"].as_object()["width"] = {
      {"type", "integer"}, {"default", 1024}, {"x-visible-if", {{"mode", "custom"}}}};
  folder.with("own.json", json::serialize(own));
  auto loaded = folder.loaded();
  expect_well(loaded);
  const Model* model = loaded.catalogue->find("own");
  EXPECT_FALSE(model->validate("text_to_image", {{"prompt", "a"}})->params.contains("width"));
  EXPECT_TRUE(
      model->validate("text_to_image", {{"prompt", "a"}, {"mode", "custom"}})->params.contains("width"));
}

struct Case {
  json::object changes;
  std::string where;
};

TEST(OwnDescriptors, AreRefusedWithThePlaceThatIsWrong) {
  const json::object props{{"prompt", {{"$use", "prompt"}}}};
  const auto schema = [&](json::object members) {
    return json::object{
        {"schema",
         {{"type", "object"}, {"additionalProperties", false}, {"properties", std::move(members)}}}};
  };
  const auto price = [](json::value rule) { return json::object{{"price", std::move(rule)}}; };
  const auto factor = [&](json::object one) { return price({{"base", "1"}, {"factors", {std::move(one)}}}); };
  for (const auto& [changes, where] : std::vector<Case>{
           {{{"rev", 0}}, "/rev"},
           {{{"rev", "1"}}, "/rev"},
           {{{"status", "beta"}}, "/status"},
           {{{"kind", 5}}, "/kind"},
           {{{"title", "Own"}}, "/title"},
           {{{"title", {{"en", "Own"}}}}, "/title"},
           {{{"title", {{"en", "Own"}, {"de", "Eigen"}}}}, "/title"},
           {{{"colour", "red"}}, "/colour"},
           {{{"provider", "nobody"}}, "/schema/properties/prompt"},
           {{{"schema", 5}}, "/schema"},
           {{{"schema", {{"oneOf", json::array()}}}}, "/schema/oneOf"},
           {{{"schema", {{"type", "object"}}}}, "/endpoints/text_to_image/schema"},
           {{{"schema", {{"type", "object"}, {"additionalProperties", false}, {"required", {"prompt"}}}}},
            "/endpoints/text_to_image/schema/required"},
           {schema({{"a", {{"$use", "nothing"}}}}), "/schema/properties/a"},
           {schema({{"a", {{"$use", 5}}}}), "/schema/properties/a"},
           {schema({{"a", {{"type", "integer"}, {"maximum", 3}, {"default", 4}}}}),
            "/schema/properties/a/default"},
           {schema({{"a", {{"x-visible-if", {{"b", 1}}}}}}),
            "/endpoints/text_to_image/schema/properties/a/x-visible-if/b"},
           {{{"endpoints", json::object()}}, "/endpoints"},
           {{{"endpoints", {{"text_to_video", {{"path", "x"}}}}}}, "/endpoints/text_to_video"},
           {{{"endpoints", {{"text_to_image", 5}}}}, "/endpoints/text_to_image/path"},
           {{{"endpoints", {{"text_to_image", {{"path", ""}}}}}}, "/endpoints/text_to_image/path"},
           {{{"endpoints", {{"text_to_image", {{"path", "x"}, {"omit", json::array()}}}}}},
            "/endpoints/text_to_image/omit"},
           {{{"endpoints", {{"text_to_image", {{"path", "x"}, {"schema", {{"minimum", "x"}}}}}}}},
            "/endpoints/text_to_image/schema/minimum"},
           {price(5), "/price/base"},
           {price(json::object()), "/price/base"},
           {price({{"base", 10}}), "/price/base"},
           {price({{"base", "-1"}}), "/price/base"},
           {price({{"base", "0.0001"}}), "/price/base"},
           {price({{"base", "2000000000"}}), "/price/base"},
           {price({{"base", "1"}, {"factor", json::array()}}), "/price/factor"},
           {price({{"base", "1"}, {"factors", json::array(7, json::object{{"param", "num_images"}})}}),
            "/price/factors"},
           {factor({}), "/price/factors/0"},
           {factor({{"param", "num_image"}}), "/price/factors/0/param"},
           {factor({{"param", "num_images"}, {"times", 2}}), "/price/factors/0/times"},
           {factor({{"param", "num_images"}, {"per", "0"}}), "/price/factors/0/per"},
           {factor({{"param", "num_images"}, {"per", 0.5}}), "/price/factors/0/per"},
           {factor({{"param", "num_images"}, {"table", {{"1", "1"}}}}), "/price/factors/0/else"},
           {factor({{"param", "prompt"}, {"table", {{"a", "x"}}}, {"else", "1"}}),
            "/price/factors/0/table/a"},
           {factor({{"megapixels", "num_images"}}), "/price/factors/0"},
           {factor({{"has_input", "1.5"}}), "/price/factors/0"},
           {factor({{"param", "num_images"}, {"label", "Images"}}), "/price/factors/0/label"}}) {
    OwnFolder folder;
    folder.with("own.json", json::serialize(descriptor(changes)));
    auto loaded = folder.loaded();
    EXPECT_FALSE(loaded.catalogue) << json::serialize(changes);
    ASSERT_FALSE(loaded.problems.empty()) << json::serialize(changes);
    EXPECT_EQ(loaded.problems.front().where, where)
        << json::serialize(changes) << " " << loaded.problems.front().what;
    EXPECT_TRUE(loaded.problems.front().file.ends_with("own.json"));
  }
}

TEST(OwnDescriptors, AreRefusedAsFiles) {
  const auto problem = [](const std::string& name, const std::string& text) {
    OwnFolder folder;
    auto loaded = folder.with(name, text).loaded();
    EXPECT_FALSE(loaded.catalogue) << text.substr(0, 100);
    return loaded.problems.empty() ? Problem{} : loaded.problems.front();
  };
  EXPECT_EQ(problem("a.json", "{").where, "/");
  EXPECT_EQ(problem("a.json", "").where, "/");
  EXPECT_EQ(problem("a.json", "[]").where, "/");
  EXPECT_EQ(problem("a.json", "{\"id\": \"\xff\"}").where, "/");
  EXPECT_EQ(problem("a.json", std::string(100, '[')).where, "/");
  EXPECT_EQ(problem("a.json", "{}").where, "/id");
  EXPECT_EQ(problem("a.json", R"({"id": 5})").where, "/id");
  EXPECT_EQ(problem("a.json", R"({"id": "a"})").where, "/provider");
  EXPECT_EQ(problem("a.json", R"({"id": "a", "extends": "fal-ai/flux-1/shnell"})").where, "/extends");
  EXPECT_NE(problem("a.json", R"({"id": "a", "extends": "fal-ai/flux-1/shnell"})")
                .what.find("fal-ai/flux-1/schnell"),
            std::string::npos);
  EXPECT_EQ(problem("a.json", R"({"id": "a", "extends": 5})").where, "/extends");
  EXPECT_EQ(problem("a.json", R"({"id": "a", "extends": "a"})").where, "/extends");
  EXPECT_EQ(problem("a.json", std::string(300 * 1024, ' ')).what, "is larger than 256 KiB");
  EXPECT_EQ(problem("shared.json", "{}").where, "/provider");
  EXPECT_EQ(problem("shared.json", R"({"provider": "flux", "parts": 5})").where, "/parts");
  EXPECT_EQ(problem("shared.json", R"({"provider": "flux", "original": {"text_to_image": 5}})").where,
            "/original/text_to_image");
  EXPECT_EQ(problem("shared.json", R"({"provider": "flux", "models": {}})").where, "/models");
}

TEST(OwnDescriptors, GoRoundInNoCircle) {
  OwnFolder folder;
  folder.with("a.json", R"({"id": "a", "extends": "b"})").with("b.json", R"({"id": "b", "extends": "a"})");
  auto loaded = folder.loaded();
  ASSERT_FALSE(loaded.problems.empty());
  EXPECT_EQ(loaded.problems.front().where, "/extends");

  OwnFolder parts;
  json::object own = descriptor();
  own["schema"].as_object()["properties"] = {{"a", {{"$use", "x"}}}};
  parts.with("shared.json", R"({"provider": "flux", "parts": {"x": {"$use": "y"}, "y": {"$use": "x"}}})")
      .with("own.json", json::serialize(own));
  auto circular = parts.loaded();
  ASSERT_FALSE(circular.problems.empty());
  EXPECT_EQ(circular.problems.front().where, "/schema/properties/a");
}

TEST(OwnDescriptors, OfOneIdStandOnce) {
  OwnFolder folder;
  folder.with("a.json", json::serialize(descriptor())).with("b.json", json::serialize(descriptor()));
  auto loaded = folder.loaded();
  ASSERT_EQ(loaded.problems.size(), 1u);
  EXPECT_TRUE(loaded.problems.front().file.ends_with("b.json"));
  EXPECT_NE(loaded.problems.front().what.find("a.json"), std::string::npos);
}

// Puts something else in the place of one value of the descriptor.
void spoil(json::value& value, std::mt19937_64& random) {
  static const std::vector<json::value> kOther{nullptr,
                                               true,
                                               -1,
                                               5,
                                               1e300,
                                               "x",
                                               "",
                                               json::array{},
                                               json::object{},
                                               json::array{json::array{}},
                                               json::object{{"x", 1}}};
  const bool deeper = random() % 4 != 0;
  if (auto* object = value.if_object(); object && !object->empty() && deeper) {
    auto member = std::next(object->begin(), static_cast<std::ptrdiff_t>(random() % object->size()));
    return spoil(member->value(), random);
  }
  if (auto* list = value.if_array(); list && !list->empty() && deeper)
    return spoil((*list)[random() % list->size()], random);
  value = kOther[random() % kOther.size()];
}

TEST(OwnDescriptors, SpoiledAtRandomAreTakenOrRefusedButNeverCrash) {
  std::vector<json::value> good;
  for (const Model* model : built_in()->models("flux")) {
    json::object text = model->descriptor();
    text.erase("endpoint_schemas");
    text["endpoints"] = {{model->endpoints().front(), {{"path", "p"}, {"schema", text.at("schema")}}}};
    good.push_back(text);
  }
  int refused = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    json::value text = good[random() % good.size()];
    spoil(text, random);
    OwnFolder folder;
    auto loaded = folder.with("own.json", json::serialize(text)).loaded();
    refused += !loaded.catalogue;
    EXPECT_EQ(loaded.catalogue == nullptr, !loaded.problems.empty()) << seed;
    if (!loaded.catalogue) continue;
    for (const Model* model : loaded.catalogue->models("flux"))
      for (const std::string& endpoint : model->endpoints())
        if (auto taken = model->validate(endpoint, {{"prompt", "a"}, {"image_url", "b"}}))
          static_cast<void>(model->upstream_body(endpoint, taken->params, taken->inputs));
  }
  EXPECT_GT(refused, 20);
}

}  // namespace
}  // namespace fluxgate::catalogue

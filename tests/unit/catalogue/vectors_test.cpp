// The shared vectors: the studio's own tests run the same files.
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <gtest/gtest.h>

#include "catalogue/catalogue.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

json::array read_vectors(const std::filesystem::path& file) {
  std::ifstream in(file);
  return json::parse(std::string((std::istreambuf_iterator<char>(in)), {})).as_array();
}

std::shared_ptr<const Catalogue> built_in() {
  static const Loaded loaded = load("");
  for (const auto& problem : loaded.problems) ADD_FAILURE() << problem.file << " " << problem.where << ": " << problem.what;
  return loaded.catalogue;
}

// "body.image_urls.1 string_type"
std::string word_of(const FieldError& error) {
  std::string text;
  for (const auto& step : error.loc)
    text += (text.empty() ? "" : ".") + (step.index() == 0 ? std::get<0>(step) : std::to_string(std::get<1>(step)));
  return text + " " + error.type;
}
std::string word_of(const json::object& expected) {
  std::string text;
  for (const auto& step : expected.at("loc").as_array())
    text += (text.empty() ? "" : ".") + (step.is_string() ? std::string(step.as_string()) : json::serialize(step));
  return text + " " + std::string(expected.at("type").as_string());
}

void expect_refused(const Result<Normalised>& result, const json::array& expected) {
  ASSERT_FALSE(result);
  std::vector<std::string> got, wanted;
  for (const auto& error : result.error().fields()) {
    got.push_back(word_of(error));
    EXPECT_FALSE(error.message.en.empty());
    EXPECT_FALSE(error.message.zh.empty());
  }
  for (const auto& error : expected) wanted.push_back(word_of(error.as_object()));
  EXPECT_EQ(got, wanted);
}

void expect_taken(const Model& model, std::string_view endpoint, const Result<Normalised>& result, const json::object& vector) {
  ASSERT_TRUE(result) << result.error().message().en;
  EXPECT_EQ(model.quote(result->params).total.to_string(), vector.at("price").as_string());
  json::array dropped(result->dropped.begin(), result->dropped.end());
  json::array wanted = vector.contains("dropped") ? vector.at("dropped").as_array() : json::array();
  auto sorted = [](json::array list) {
    std::sort(list.begin(), list.end(), [](auto& a, auto& b) { return a.as_string() < b.as_string(); });
    return list;
  };
  EXPECT_EQ(sorted(dropped), sorted(wanted));
  if (vector.contains("path")) EXPECT_EQ(model.upstream_path(endpoint), vector.at("path").as_string());
  if (vector.contains("body")) EXPECT_EQ(model.upstream_body(endpoint, result->params, result->inputs), vector.at("body"));
}

TEST(CatalogueVectors, GiveTheExpectedErrorsAndPrices) {
  auto catalogue = built_in();
  ASSERT_TRUE(catalogue);
  for (const auto& file : std::filesystem::directory_iterator(FLUXGATE_SOURCE_DIR "/tests/fixtures/catalogue-vectors"))
    for (const auto& value : read_vectors(file.path())) {
      const json::object& vector = value.as_object();
      SCOPED_TRACE(json::serialize(vector).substr(0, 200));
      const Model* model = catalogue->find(vector.at("model").as_string());
      ASSERT_TRUE(model);
      std::string_view endpoint = vector.at("endpoint").as_string();
      auto result = model->validate(endpoint, vector.at("input").as_object());
      if (vector.contains("errors")) expect_refused(result, vector.at("errors").as_array());
      else expect_taken(*model, endpoint, result, vector);
    }
}

TEST(Catalogue, ServesTheOriginalsElevenModels) {
  for (const char* id : {"fal-ai/flux-1/dev", "fal-ai/flux-1/dev/image-to-image", "fal-ai/flux-1/dev/redux", "fal-ai/flux-1/schnell",
                         "fal-ai/flux-1/schnell/redux", "fal-ai/flux-pro/kontext", "fal-ai/flux-pro/kontext/max",
                         "fal-ai/flux-pro/kontext/max/multi", "fal-ai/flux-pro/kontext/max/text-to-image",
                         "fal-ai/flux-pro/kontext/multi", "fal-ai/flux-pro/kontext/text-to-image"})
    EXPECT_TRUE(built_in()->find(id)) << id;
}

TEST(Catalogue, NamesTheNearestModel) {
  auto refused = built_in()->require("flux", "fal-ai/flux-1/shnell");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fields().front().context.at("nearest").as_string(), "fal-ai/flux-1/schnell");
}

TEST(Catalogue, ChargesForWhatWasDelivered) {
  const Model* model = built_in()->find("fal-ai/flux-1/dev");
  json::object params{{"prompt", "a"}, {"num_images", 4}};
  EXPECT_EQ(model->quote(params).total, Credits::whole(40));
  EXPECT_EQ(model->quote_for(params, 3).total, Credits::whole(30));
  EXPECT_EQ(model->quote_for(params, 0).total, Credits{});
}

TEST(Catalogue, TakesAnAdminsPrices) {
  auto loaded = load("", {{"fal-ai/flux-1/schnell", *Credits::parse("0.125")}});
  ASSERT_TRUE(loaded.catalogue);
  EXPECT_EQ(loaded.catalogue->find("fal-ai/flux-1/schnell")->quote({{"num_images", 3}}).total, Credits::thousandths(375));
  EXPECT_NE(loaded.catalogue->etag(), built_in()->etag());
}

class OwnDescriptors : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("fluxgate-catalogue-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  Loaded with(const std::string& text) {
    std::ofstream(folder_ / "own.json") << text;
    return load(folder_.string());
  }
  std::string descriptor(const std::string& schema, const std::string& price = R"({"base":"1"})") {
    return R"({"id":"own","provider":"flux","kind":"text_to_image","rev":1,"status":"stable","title":{"en":"Own","zh-CN":"自有"},)"
           R"("endpoints":{"text_to_image":{"path":"own"}},"price":)" + price + R"(,"schema":)" + schema + "}";
  }
  std::filesystem::path folder_;
};

TEST_F(OwnDescriptors, AddAModelWithoutARebuild) {
  auto loaded = with(descriptor(R"({"type":"object","properties":{"prompt":{"$use":"prompt"}}})", R"({"base":"1","factors":[{"param":"mode","table":{"x":"0.3333"}}]})"));
  for (const auto& problem : loaded.problems) ADD_FAILURE() << problem.where << problem.what;
  ASSERT_TRUE(loaded.catalogue);
  // 0.3333 credits: rounded up once, to a thousandth.
  EXPECT_EQ(loaded.catalogue->find("own")->quote({{"mode", "x"}}).total, Credits::thousandths(334));
  EXPECT_TRUE(loaded.catalogue->find("fal-ai/flux-1/dev"));
}

TEST_F(OwnDescriptors, AreRefusedWithThePlaceThatIsWrong) {
  struct Case { std::string text, where; };
  for (const auto& [text, where] : std::vector<Case>{
           {"{", "/"},
           {"[]", "/"},
           {descriptor(R"({"oneOf":[]})"), "/schema/oneOf"},
           {descriptor(R"({"type":"text"})"), "/schema/type"},
           {descriptor(R"({"properties":{"a":{"type":"integer","maximum":3,"default":4}}})"), "/schema/properties/a/default"},
           {descriptor(R"({"properties":{"a":{"$use":"nothing"}}})"), "/schema/properties/a"},
           {descriptor(R"({"properties":{"a":{"pattern":"("}}})"), "/schema/properties/a"},
           {descriptor("{}", R"({})"), "/price/base"},
           {descriptor("{}", R"({"base":"-1"})"), "/price/base"},
           {descriptor("{}", R"({"base":"1","factors":[{}]})"), "/price/factors/0"}}) {
    auto loaded = with(text);
    EXPECT_FALSE(loaded.catalogue) << text;
    ASSERT_FALSE(loaded.problems.empty()) << text;
    EXPECT_EQ(loaded.problems.front().where, where) << loaded.problems.front().what;
  }
}

}  // namespace
}  // namespace fluxgate::catalogue

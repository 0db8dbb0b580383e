// The shared vectors (tests/fixtures/catalogue-vectors/README.md): the studio's own tests run the same files.
#include "catalogue/price.h"
#include "catalogue/schema.h"
#include "support.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

json::array sorted(json::array list) {
  std::sort(list.begin(), list.end(), [](auto& a, auto& b) { return a.as_string() < b.as_string(); });
  return list;
}

void expect_refused(const Result<Normalised>& result, const json::array& expected) {
  ASSERT_FALSE(result);
  EXPECT_EQ(words_of(result.error().fields()), words_of(expected));
  for (const FieldError& error : result.error().fields()) {
    EXPECT_FALSE(error.message.en.empty());
    EXPECT_FALSE(error.message.zh.empty());
    for (const auto& wanted : expected)
      if (const auto* ctx = wanted.as_object().if_contains("ctx");
          ctx && wanted.at("type") == json::value(error.type))
        EXPECT_EQ(json::value(error.context), *ctx);
  }
}

void expect_taken(const Model& model, std::string_view endpoint, const Result<Normalised>& result,
                  const json::object& vector) {
  ASSERT_TRUE(result) << result.error().message().en;
  EXPECT_EQ(model.quote(result->params).total.to_string(), std::string_view(vector.at("price").as_string()));
  const auto* dropped = vector.if_contains("dropped");
  EXPECT_EQ(sorted(json::array(result->dropped.begin(), result->dropped.end())),
            sorted(dropped ? dropped->as_array() : json::array()));
  if (const auto* path = vector.if_contains("path"))
    EXPECT_EQ(json::value(model.upstream_path(endpoint)), *path);
  if (const auto* body = vector.if_contains("body"))
    EXPECT_EQ(json::value(model.upstream_body(endpoint, result->params, result->inputs)), *body);
  if (const auto* params = vector.if_contains("params")) EXPECT_EQ(json::value(result->params), *params);
}

TEST(CatalogueVectors, OfTheModelsGiveTheExpectedErrorsPricesAndBodies) {
  auto catalogue = built_in();
  ASSERT_TRUE(catalogue);
  for (const auto& value : read_vectors("models-flux.json")) {
    const json::object& vector = value.as_object();
    SCOPED_TRACE(json::serialize(vector).substr(0, 250));
    const Model* model = catalogue->find(vector.at("model").as_string());
    ASSERT_TRUE(model);
    const std::string_view endpoint = vector.at("endpoint").as_string();
    auto result = model->validate(endpoint, vector.at("input").as_object());
    if (const auto* errors = vector.if_contains("errors"))
      expect_refused(result, errors->as_array());
    else
      expect_taken(*model, endpoint, result, vector);
  }
}

TEST(CatalogueVectors, OfTheSubsetGiveTheExpectedErrors) {
  for (const auto& value : read_vectors("subset.json")) {
    const json::object& vector = value.as_object();
    SCOPED_TRACE(json::serialize(vector).substr(0, 250));
    Problems problems;
    auto schema = Schema::compile(vector.at("schema"), "", problems);
    for (const auto& [where, what] : problems) ADD_FAILURE() << where << " " << what;
    json::value judged = vector.at("value");
    schema->coerce(judged);
    Findings findings;
    schema->validate(judged, Path{nullptr, "body"}, findings);
    const auto* errors = vector.if_contains("errors");
    EXPECT_EQ(words_of(std::move(findings).list()), words_of(errors ? errors->as_array() : json::array()));
    if (const auto* coerced = vector.if_contains("coerced")) EXPECT_EQ(judged, *coerced);
  }
}

TEST(CatalogueVectors, OfRefusedSchemasAreProblemsAtTheirPlace) {
  for (const auto& value : read_vectors("refused-schemas.json")) {
    SCOPED_TRACE(json::serialize(value));
    Problems problems;
    Schema::compile(value.at("schema"), "", problems);
    ASSERT_FALSE(problems.empty());
    EXPECT_EQ(problems.front().first, std::string_view(value.at("where").as_string()))
        << problems.front().second;
  }
}

TEST(CatalogueVectors, OfPricesGiveTheExpectedAmounts) {
  for (const auto& value : read_vectors("price.json")) {
    const json::object& vector = value.as_object();
    SCOPED_TRACE(json::serialize(vector).substr(0, 250));
    Problems problems;
    auto schema = Schema::compile(vector.at("schema"), "/schema", problems);
    auto price = Price::compile(vector.at("price"), *schema, "/price", problems);
    for (const auto& [where, what] : problems) ADD_FAILURE() << where << " " << what;
    std::optional<int> images;
    if (const auto* delivered = vector.if_contains("delivered"))
      images = static_cast<int>(delivered->as_int64());
    const Quote quote = price.quote(vector.at("params").as_object(), 1, images);
    EXPECT_EQ(quote.total.to_string(), std::string_view(vector.at("total").as_string()));
    if (!quote.lines.empty()) EXPECT_EQ(quote.lines.back().amount, quote.total);
  }
}

}  // namespace
}  // namespace fluxgate::catalogue

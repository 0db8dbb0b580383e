#include "api/openapi.h"

#include <set>

#include <gtest/gtest.h>

#include "api/docs_page.h"
#include "whole_api.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;

TEST(ParseYaml, ReadsTheJsonTypesAnchorsAndMerges) {
  const json::object value = parse_yaml(
      "a: 1\nb: \"1\"\nc: 1.5\nd: true\ne: ~\nf: [x, {y: z}]\ng: &g {p: 1, q: 2}\nh: {<<: *g, q: 3}\ni: "
      "*g\nj: |\n  two\n  lines\n");
  EXPECT_EQ(json::value(value),
            json::parse(R"({"a":1,"b":"1","c":1.5,"d":true,"e":null,"f":["x",{"y":"z"}],"g":{"p":1,"q":2},
                                               "h":{"p":1,"q":3},"i":{"p":1,"q":2},"j":"two\nlines\n"})"));
  EXPECT_THROW(parse_yaml("a: [1"), std::runtime_error);
  EXPECT_THROW(parse_yaml("just text"), std::runtime_error);
}

using Operations = std::set<std::pair<std::string, std::string>>;

Operations documented(const json::object& document) {
  Operations operations;
  for (const auto& [path, item] : document.at("paths").as_object())
    for (std::string_view method : {"get", "post", "put", "delete", "patch", "options"})
      if (item.as_object().contains(method)) {
        std::string upper(method);
        for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        operations.emplace(upper, path);
      }
  return operations;
}

class OpenApi : public WholeApiTest {};

TEST_F(OpenApi, DescribesExactlyTheRoutesThatExist) {
  Operations routes;
  for (const auto& [method, pattern] : router_.routes()) routes.emplace(method, pattern);
  EXPECT_EQ(documented(openapi_document()), routes);
}

void find_references(const json::value& value, std::set<std::string>& found) {
  if (const auto* list = value.if_array())
    for (const auto& item : *list) find_references(item, found);
  if (const auto* object = value.if_object())
    for (const auto& [name, member] : *object) {
      if (name == "$ref") found.emplace(member.as_string());
      find_references(member, found);
    }
}

TEST_F(OpenApi, RefersOnlyToWhatItHolds) {
  const json::value document = served_document(openapi_document(), *catalogue_->get(), "1");
  std::set<std::string> references;
  find_references(document, references);
  EXPECT_GT(references.size(), 60u);
  for (const std::string& reference : references) {
    boost::system::error_code missing;
    EXPECT_NE(document.find_pointer(reference.substr(1), missing), nullptr) << reference;
  }
}

TEST_F(OpenApi, ShowsTheParametersOfEveryModelForItsEndpoints) {
  const json::object document = served_document(openapi_document(), *catalogue_->get(), "9.9");
  EXPECT_EQ(document.at("info").at("version"), "9.9");
  const json::object& schemas = document.at("components").at("schemas").as_object();
  const json::object& text = schemas.at("fal-ai.flux-pro.kontext.text_to_image").as_object();
  EXPECT_FALSE(text.at("properties").as_object().contains("image_url"));  // that endpoint omits it
  EXPECT_EQ(text.at("required"), (json::array{"model", "prompt"}));
  EXPECT_TRUE(schemas.at("fal-ai.flux-pro.kontext.image_to_image")
                  .at("properties")
                  .as_object()
                  .contains("image_url"));
  EXPECT_EQ(text.at("properties").at("model"), (json::value{{"const", "fal-ai/flux-pro/kontext"}}));
  std::size_t offered = 0;
  for (const catalogue::Model* model : catalogue_->get()->models("flux"))
    offered += model->descriptor().at("endpoints").as_array().size();
  std::size_t listed = 0;
  for (const char* body : {"TextToImage", "ImageToImage", "MultiImageEdit"})
    listed += schemas.at(body).at("anyOf").as_array().size();
  EXPECT_EQ(listed, offered);
}

TEST_F(OpenApi, IsServedOnceAndThenRemembered) {
  const auto first = send("GET", "/api/openapi.json");
  const auto second = send("GET", "/api/openapi.json");
  using Shared = std::shared_ptr<const std::string>;
  EXPECT_EQ(std::get<Shared>(first.body), std::get<Shared>(second.body));
  EXPECT_EQ(json::parse(*std::get<Shared>(first.body)).at("info").at("version"), "1.2.3");
  EXPECT_FALSE(header(first, "ETag").empty());
}

TEST(DocsPage, NamesEveryOperationAndRunsNothing) {
  const json::object document = openapi_document();
  const std::string page = docs_page(document);
  for (const auto& [path, item] : document.at("paths").as_object())
    EXPECT_NE(page.find("<code class=\"path\">" + html_escaped(path) + "</code>"), std::string::npos) << path;
  EXPECT_EQ(page.find("<script"), std::string::npos);
  for (const char* foreign : {"src=", "href=\"http", "@import", "url("})
    EXPECT_EQ(page.find(foreign), std::string::npos) << foreign;
}

TEST(DocsPage, ShowsParagraphsListsAndCode) {
  json::object document = openapi_document();
  document["info"].as_object()["description"] = "One\ntwo `three`.\n\n- first\n  line\n- second\n";
  const std::string page = docs_page(document);
  EXPECT_NE(page.find("<p>One two <code>three</code>.</p><ul><li>first line</li><li>second</li></ul>"),
            std::string::npos);
}

TEST(DocsPage, EscapesWhatItShows) {
  EXPECT_EQ(html_escaped("<a href=\"x\">&</a>"), "&lt;a href=&quot;x&quot;&gt;&amp;&lt;/a&gt;");
}

}  // namespace
}  // namespace fluxgate::api

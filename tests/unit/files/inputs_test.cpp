#include "files/inputs.h"

#include <gtest/gtest.h>

#include "base/crypto.h"
#include "base/ids.h"
#include "pictures.h"

namespace fluxgate::files {
namespace {

const std::vector<std::string> kOwn = {"https://media.example", "http://localhost:8080"};

Result<InputRef> classify(std::string_view value, std::uint64_t limit = kInlineLimit) {
  return classify_input(value, {"body", "image_urls", std::int64_t{2}}, kOwn, {"http://10.0.0.5:9000"},
                        limit);
}
std::string rule(std::string_view value, std::uint64_t limit = kInlineLimit) {
  const auto result = classify(value, limit);
  return result ? "ok" : result.error().fields().at(0).type;
}

TEST(Inputs, KnowsFilesOfOurs) {
  const std::string id = new_id();
  for (const std::string& value :
       {id, "/files/" + id, "/files/" + id + "/a.png?e=1&s=x", "https://media.example/files/" + id + "/a.png",
        "HTTPS://media.example:443/files/" + id, "http://localhost:8080/files/" + id + "/x"}) {
    const auto result = classify(value);
    ASSERT_TRUE(result) << value;
    ASSERT_TRUE(std::holds_alternative<OwnFile>(*result)) << value;
    EXPECT_EQ(std::get<OwnFile>(*result).id, id);
  }
  EXPECT_EQ(rule("/etc/passwd"), "own_link");
  EXPECT_EQ(rule("/files/../x"), "own_link");
  EXPECT_EQ(rule("https://media.example/api/v1/x"), "own_link");
  EXPECT_EQ(rule("https://media.example"), "own_link");
}

TEST(Inputs, TakesLinksOfOthersThatMayBeFetched) {
  const auto result = classify("https://pictures.example/files/a.png");
  ASSERT_TRUE(result);
  EXPECT_EQ(std::get<PublicUrl>(*result).url, "https://pictures.example/files/a.png");
  EXPECT_EQ(rule("http://10.0.0.5:9000/a.png"), "ok");
  EXPECT_EQ(rule("http://10.0.0.6:9000/a.png"), "url_address");
  EXPECT_EQ(rule("http://localhost:8081/files/x"), "url_port");
  EXPECT_EQ(rule("ftp://pictures.example/a.png"), "url_scheme");
  EXPECT_EQ(rule("//pictures.example/a.png"), "url_syntax");
  EXPECT_EQ(rule("cat.png"), "url_syntax");
}

TEST(Inputs, DecodesDataUris) {
  const std::string png = draw({});
  for (const std::string& head : {std::string("data:image/png;base64,"), std::string("DATA:;BASE64,"),
                                  std::string("data:text/plain;x=y;base64,")}) {
    const auto result = classify(head + crypto::base64(png));
    ASSERT_TRUE(result) << head;
    EXPECT_EQ(std::get<InlineImage>(*result).bytes, png);
  }
  EXPECT_EQ(rule("data:image/png;base64," + crypto::base64(png), png.size()), "ok");
  EXPECT_EQ(rule("data:image/png;base64," + crypto::base64(png), png.size() - 1), "data_uri_too_large");
  EXPECT_EQ(rule("data:image/png;base64," + std::string(14 * 1024 * 1024, 'A')), "data_uri_too_large");
}

TEST(Inputs, RefusesOtherDataUris) {
  for (const char* value : {"data:", "data:image/png", "data:image/png,abc", "data:image/png;base64",
                            "data:image/png;base64,@@@", "data:image/svg+xml;utf8,<svg/>"})
    EXPECT_EQ(rule(value), "data_uri") << value;
  EXPECT_EQ(rule("data:image/png;base64," + crypto::base64("<svg xmlns='x'/>")), "image_type");
  EXPECT_EQ(rule("data:image/png;base64,"), "image_type");
}

TEST(Inputs, NamesFieldRuleAndWhatWasReceived) {
  const std::string value = "ftp://" + std::string(500, 'x');
  const auto result = classify(value);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errc(), Errc::invalid);
  const FieldError& field = result.error().fields().at(0);
  ASSERT_EQ(field.loc.size(), 3u);
  EXPECT_EQ(std::get<std::int64_t>(field.loc[2]), 2);
  EXPECT_EQ(field.type, "url_scheme");
  EXPECT_EQ(field.input.as_string().size(), 100 + std::string_view("…").size());
  EXPECT_FALSE(field.message.zh.empty());
  EXPECT_EQ(rule(""), "image_missing");
}

}  // namespace
}  // namespace fluxgate::files

#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

constexpr const char* kConfig = "/api/v1/flux/config";
constexpr const char* kAdminConfig = "/api/v1/flux/admin/config";

TEST(FluxAdmin, SetsUpTheProviderAndNeverSeesTheKeyAgain) {
  const std::string key = "0123abcd-secret:part-of-the-key";
  ASSERT_EQ(api()
                .post(kConfig, admin().token, {{"api_key", key}, {"timeout", 120}, {"default_model", kModel}})
                .status,
            200);
  const Answer shown = api().get(kConfig, admin().token);
  EXPECT_EQ(shown.body.find("part-of-the-key"), std::string::npos);
  EXPECT_EQ(shown.json().at("api_key"), "0123abcd****");
  EXPECT_EQ(shown.json().at("timeout"), 120);
  const Answer camel = api().get(kAdminConfig, admin().token);
  EXPECT_EQ(camel.json().at("taskTimeout"), 120'000);
  EXPECT_EQ(camel.json().at("defaultModel"), kModel);
  EXPECT_EQ(camel.body.find("part-of-the-key"), std::string::npos);
  EXPECT_EQ(api().post(kAdminConfig, admin().token, camel.json()).status, 200)
      << "what is shown can be posted back";
  EXPECT_EQ(api().get(kConfig, admin().token).json().at("api_key"), "0123abcd****");
}

TEST(FluxAdmin, APriceIsInForceForTheNextSubmit) {
  const Person ann = somebody();
  const std::string model = "fal-ai/flux/schnell";
  ASSERT_EQ(api().post(kAdminConfig, admin().token, {{"modelCredits", {{model, 7.125}}}}).status, 200);
  const Answer task =
      api().post("/api/v1/flux/text-to-image", ann.token, {{"model", model}, {"prompt", "x"}});
  EXPECT_EQ(task.json().at("cost").at("quote"), 7.125);
  EXPECT_EQ(balance(ann), 92.875);
}

TEST(FluxAdmin, TestsAConnectionWithoutCost) {
  const Answer works = api().post("/api/v1/flux/admin/test-connection", admin().token,
                                  {{"baseUrl", "https://queue.fal.run"}, {"apiKey", "some-key-or-other"}});
  EXPECT_EQ(works.json().at("success"), true) << works.body;
  const Answer incomplete = api().post("/api/v1/flux/admin/test-connection", admin().token,
                                       {{"baseUrl", "https://queue.fal.run"}, {"apiKey", ""}});
  EXPECT_EQ(incomplete.status, 200);
  EXPECT_EQ(incomplete.json().at("success"), false);
  EXPECT_FALSE(incomplete.json().at("error").as_string().empty());
}

TEST(FluxAdmin, NamesWhatIsWrong) {
  const std::pair<json::value, const char*> table[] = {
      {{{"api_key", "k"}, {"timeout", 0}}, "body/timeout"},
      {{{"api_key", "k"}, {"max_concurrent_tasks", 1001}}, "body/max_concurrent_tasks"},
      {{{"api_key", "k"}, {"default_model", "fal-ai/flux-9"}}, "body/default_model"},
      {{{"api_key", "k"}, {"base_url", "file:///etc/passwd"}}, "body/base_url"},
      {{{"api_key", 5}}, "body/api_key"},
      {{{"enabled", true}}, "body/api_key"},
      {{{"api_key", "k"}, {"model_credits", {{"fal-ai/flux-1/dev", "cheap"}}}}, "body/model_credits"},
      {{{"api_key", "k"}, {"enable", true}}, "body/enable"}};
  for (const auto& [body, loc] : table) {
    const Answer refused = api().post(kConfig, admin().token, body);
    EXPECT_EQ(refused.status, 422) << json::serialize(body);
    EXPECT_EQ(first_loc(refused), loc) << json::serialize(body);
  }
}

}  // namespace
}  // namespace fluxgate::integration

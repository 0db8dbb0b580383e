#include "api/flux_config.h"

#include <gtest/gtest.h>

#include "whole_api.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;

FluxConfig stored(std::string key, std::string base_url = std::string(kFluxBaseUrl)) {
  FluxConfig config;
  config.account.emplace();
  config.account->account = {"flux-default", "flux", std::move(base_url), std::move(key), {}};
  config.settings.emplace();
  config.settings->enabled = true;
  return config;
}

const std::string kKey = "11112222-3333:444455556666";

TEST(MaskKey, ShowsTooLittleToUse) {
  EXPECT_EQ(mask_key(kKey), "11112222****");
  EXPECT_EQ(mask_key("short"), "****");
  EXPECT_EQ(mask_key(""), "");
}

TEST(ApplyForm, KeepsTheKeyWhenItsMaskOrNothingIsPosted) {
  for (const char* posted : {"11112222****", ""}) {
    ConfigForm form;
    if (*posted) form.api_key = posted;
    form.timeout_s = 60;
    const auto next = apply_form(form, stored(kKey), ConfigShape::snake, {});
    ASSERT_TRUE(next) << posted;
    EXPECT_EQ(next->account->account.key, kKey);
    EXPECT_EQ(next->account->timeout_s, 60);
  }
}

TEST(ApplyForm, RefusesAMaskOfAnotherKey) {
  ConfigForm form;
  form.api_key = "99999999****";
  const auto next = apply_form(form, stored(kKey), ConfigShape::snake, {});
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().fields().front().type, "masked_key");
}

TEST(ApplyForm, NeverSendsAKeptKeyElsewhere) {
  ConfigForm form;
  form.api_key = "11112222****";
  form.base_url = "https://collector.example";
  const auto next = apply_form(form, stored(kKey), ConfigShape::camel, {});
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().fields().front().type, "key_needed");
  form.api_key = "a-new-key-for-that-one";
  EXPECT_EQ(apply_form(form, stored(kKey), ConfigShape::camel, {})->account->account.base_url,
            "https://collector.example");
}

TEST(ApplyForm, IsNotOnWithoutAKey) {
  ConfigForm form;
  form.enabled = true;
  EXPECT_FALSE(apply_form(form, {}, ConfigShape::camel, {}));
  form.enabled = false;
  EXPECT_TRUE(apply_form(form, {}, ConfigShape::camel, {}));
}

TEST(ApplyForm, TakesOnlyPricesThatDifferAsOverrides) {
  ConfigForm form;
  form.model_credits = {{"a", Credits::whole(5)}, {"b", Credits::whole(7)}};
  const auto next = apply_form(form, stored(kKey), ConfigShape::snake,
                               {{"a", Credits::whole(5)}, {"b", Credits::whole(6)}});
  ASSERT_TRUE(next);
  EXPECT_EQ(next->settings->model_credits, (std::map<std::string, Credits>{{"b", Credits::whole(7)}}));
}

TEST(ApplyForm, KeepsWhatTheFormDoesNotName) {
  FluxConfig before = stored(kKey);
  before.account->max_concurrent = 9;
  before.settings->default_model = "fal-ai/flux-1/schnell";
  before.settings->enabled = false;
  const auto next = apply_form({}, before, ConfigShape::snake, {});
  ASSERT_TRUE(next);
  EXPECT_EQ(next->account->max_concurrent, 9);
  EXPECT_EQ(next->settings->default_model, "fal-ai/flux-1/schnell");
  EXPECT_FALSE(next->settings->enabled);
}

TEST(CleanBaseUrl, IsAPlainHttpUrlWithoutTrailingSlashes) {
  EXPECT_EQ(clean_base_url("https://api.example/v1//"), "https://api.example/v1");
  EXPECT_EQ(clean_base_url("http://127.0.0.1:9000"), "http://127.0.0.1:9000");
  for (const char* wrong :
       {"", "ftp://x", "https://u:p@x", "https://x/?a=1", "https://x/#a", "//x", "x.example", "https://a b"})
    EXPECT_FALSE(clean_base_url(wrong)) << wrong;
}

class FluxConfigForm : public WholeApiTest {};

TEST_F(FluxConfigForm, SpeaksSecondsInOneShapeAndMillisecondsInTheOther) {
  const auto ada = sign_up("ada@example.org");
  ASSERT_EQ(send("POST", "/api/v1/flux/admin/config", ada.token,
                 {{"apiKey", kKey}, {"enabled", true}, {"taskTimeout", 61'999}, {"creditsPerGeneration", 5}})
                .status,
            200);
  const auto snake = json(send("GET", "/api/v1/flux/config", ada.token));
  EXPECT_EQ(snake.at("timeout"), 61);
  EXPECT_EQ(snake.at("api_key"), "11112222****");
  EXPECT_EQ(snake.at("enabled"), true);
  const auto camel = json(send("GET", "/api/v1/flux/admin/config", ada.token));
  EXPECT_EQ(camel.at("taskTimeout"), 61'000);
  EXPECT_EQ(camel.at("apiKey"), "11112222****");
}

TEST_F(FluxConfigForm, CanBePostedBackAsItWasShown) {
  const auto ada = sign_up("ada@example.org");
  ASSERT_EQ(send("POST", "/api/v1/flux/config", ada.token, {{"api_key", kKey}}).status, 200);
  for (const char* path : {"/api/v1/flux/config", "/api/v1/flux/admin/config"}) {
    const auto shown = json(send("GET", path, ada.token));
    const auto saved = send("POST", path, ada.token, shown);
    EXPECT_EQ(saved.status, 200) << text(saved);
  }
  const auto key =
      database_->read_now([this](db::Tx& tx) { return accounts_.configured(tx, "flux")->account.key; });
  EXPECT_EQ(key, kKey);
  const auto overrides = database_->read_now(
      [this](db::Tx& tx) { return accounts_.settings(tx, "flux")->model_credits.size(); });
  EXPECT_EQ(overrides, 0u);
}

TEST_F(FluxConfigForm, NamesEveryWrongMember) {
  const auto ada = sign_up("ada@example.org");
  const auto refused = send("POST", "/api/v1/flux/config", ada.token,
                            {{"api_key", "with space"},
                             {"base_url", "ftp://x"},
                             {"enabled", "yes"},
                             {"timeout", 4},
                             {"max_concurrent_tasks", 0},
                             {"default_model", "fal-ai/flux-1/shnell"},
                             {"model_credits", {{"fal-ai/flux-1/dev", -1}, {"nope", 1}}},
                             {"tiemout", 1}});
  EXPECT_EQ(refused.status, 422);
  std::multiset<std::string> members;
  for (const auto& item : json(refused).at("detail").as_array())
    members.emplace(item.at("loc").at(1).as_string());
  EXPECT_EQ(members, (std::multiset<std::string>{"api_key", "base_url", "default_model", "enabled",
                                                 "max_concurrent_tasks", "model_credits", "model_credits",
                                                 "tiemout", "timeout"}));
}

TEST_F(FluxConfigForm, ANewPriceIsInForceAtOnceAndTheOldTableOfTheOriginalIsTaken) {
  const auto ada = sign_up("ada@example.org");
  ASSERT_EQ(send("POST", "/api/v1/flux/config", ada.token,
                 {{"api_key", kKey},
                  {"model_credits",
                   {{"fal-ai/flux-1/schnell", 6.5}, {"fal-ai/flux-pro", 20}, {"fal-ai/flux-pro/max", 35}}}})
                .status,
            200);
  EXPECT_EQ(json(send("GET", "/api/v1/flux/config/user", ada.token))
                .at("model_credits")
                .at("fal-ai/flux-1/schnell"),
            6.5);
}

TEST_F(FluxConfigForm, HealthTellsStrangersTheStateAndNoMore) {
  EXPECT_EQ(json(send("GET", "/api/v1/flux/health")).at("status"), "error");
  const auto ada = sign_up("ada@example.org");
  send("POST", "/api/v1/flux/config", ada.token, {{"api_key", kKey}});
  EXPECT_EQ(json(send("GET", "/api/v1/flux/health")).at("status"), "healthy");
  database_->write_now(
      [this](db::Tx& tx) { accounts_.take_out(tx, "flux-default", "secret words of the provider", "alert", 5); });
  clock_.advance(1'001);
  const auto out = send("GET", "/api/v1/flux/health");
  EXPECT_EQ(json(out).at("status"), "error");
  EXPECT_EQ(json(out).at("api_connected"), false);
  EXPECT_EQ(text(out).find("secret words"), std::string::npos);
  send("POST", "/api/v1/flux/config", ada.token, {{"api_key", ""}, {"enabled", false}});
  EXPECT_EQ(json(send("GET", "/api/v1/flux/health")).at("status"), "disabled");
}

TEST_F(FluxConfigForm, TheKeyIsSealedInTheDatabase) {
  const auto ada = sign_up("ada@example.org");
  send("POST", "/api/v1/flux/config", ada.token, {{"api_key", kKey}});
  const auto kept = database_->read_now([](db::Tx& tx) {
    return tx.first("SELECT sealed_key FROM fg_upstream_account", {},
                    [](const db::Row& row) { return row.str(0); });
  });
  EXPECT_TRUE(crypto::Sealer::is_sealed(kept.value()));
}

}  // namespace
}  // namespace fluxgate::api

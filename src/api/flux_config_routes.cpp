#include "api/flux_config_routes.h"

#include "api/flux_config.h"
#include "api/provider_page.h"
#include "credits/ledger.h"
#include "db/turns.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;

constexpr std::string_view kProvider = "flux";
constexpr int kProbeTimeout = 10;  // seconds

FluxConfig load(db::Tx& tx, const tasks::AccountStore& accounts) {
  return {accounts.configured(tx, kProvider), accounts.settings(tx, kProvider)};
}

awaitable<FluxConfig> stored_config(const Api& api) {
  auto config = co_await api.parts.database.read(
      [&accounts = api.parts.accounts](db::Tx& tx) { return load(tx, accounts); });
  co_return config;
}

// ---- what members see ----

Answer models(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  const auto usable = co_await api.flux->usable();
  co_return api.flux->models(usable.has_value(), request.language());
}

Answer user_config(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  const auto usable = co_await api.flux->usable();
  const FluxConfig config = co_await stored_config(api);
  const auto catalogue = api.parts.catalogue.get();
  const std::string model = config.settings ? config.settings->default_model : "";
  json::object body{{"enabled", usable.has_value()},
                    {"models", models_json(*catalogue, kProvider, request.language())},
                    {"default_model", model.empty() ? std::string(kFluxDefaultModel) : model},
                    {"model_credits", model_credits_json(prices_in_force(*catalogue))}};
  if (usable)
    body["max_concurrent_tasks"] =
        config.account ? config.account->max_concurrent : tasks::UpstreamAccount{}.max_concurrent;
  co_return private_json(body);
}

// A user whom Open WebUI made beside us has no account until they are given credits: that is zero.
Answer own_credits(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto found = co_await api.parts.database.read(
      [id = principal.user_id](db::Tx& tx) { return credits::find_account(tx, id); });
  const credits::Account account = found.value_or(credits::Account{});
  co_return private_json({{"user_id", principal.user_id},
                          {"credits_balance", account.available().as_number()},
                          {"credits_held", account.held.as_number()},
                          {"created_at", account.created_at / 1000},
                          {"updated_at", account.updated_at / 1000}});
}

// Public, so it asks nobody and tells no more than whether pictures can be made.
Answer health(const Api& api, http::Request& request) {
  const auto usable = co_await api.flux->usable();
  const Language language = request.language();
  json::object body;
  if (usable) {
    const Text words = api.parts.info.sandbox ? Text{"The sandbox draws the pictures.", "图片由沙盒生成。"}
                                              : Text{"FLUX is ready.", "FLUX 服务可用。"};
    body = {
        {"status", "healthy"}, {"message", words.in(language)}, {"enabled", true}, {"api_connected", true}};
  } else if (usable.error().code() == "provider_disabled") {
    body = {{"status", "disabled"}, {"message", usable.error().message().in(language)}, {"enabled", false}};
  } else if (usable.error().code() == "provider_out") {
    // The upstream's own words are for admins.
    const Text words{"FLUX is out of order; an administrator has to look.", "FLUX 服务异常,请联系管理员。"};
    body = {
        {"status", "error"}, {"message", words.in(language)}, {"enabled", true}, {"api_connected", false}};
  } else {
    body = {{"status", "error"}, {"message", usable.error().message().in(language)}, {"enabled", false}};
  }
  co_return private_json(body);
}

// ---- what admins set ----

Answer show(const Api& api, http::Request& request, ConfigShape shape) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  const FluxConfig config = co_await stored_config(api);
  json::object body = show_config(config, shape, prices_in_force(*api.parts.catalogue.get()));
  body["sandbox"] = api.parts.info.sandbox;
  co_return private_json(body);
}

Answer save(const Api& api, http::Request& request, ConfigShape shape) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  const auto catalogue = api.parts.catalogue.get();
  FLUX_CO_TRY(form, read_config_form(body, shape, *catalogue));
  const Millis now = api.parts.clock.now_ms();
  auto saved =
      co_await api.parts.database.write([&accounts = api.parts.accounts, form, shape, now,
                                         prices = prices_in_force(*catalogue)](db::Tx& tx) -> Result<void> {
        db::take_turns(tx, "upstream accounts");  // what the form leaves out stays as another left it
        FLUX_TRY(next, apply_form(form, load(tx, accounts), shape, prices));
        accounts.save(tx, *next.account, now);
        accounts.save_settings(tx, kProvider, *next.settings, now);
        return {};
      });
  FLUX_CO_CHECK(std::move(saved));
  if (api.parts.catalogue_changed) co_await api.parts.catalogue_changed();
  api.flux->forget();
  const Text words{"The configuration is saved.", "配置已保存。"};
  co_return private_json({{"success", true}, {"message", words.in(request.language())}});
}

Answer show_snake(const Api& api, http::Request& request) { return show(api, request, ConfigShape::snake); }
Answer show_camel(const Api& api, http::Request& request) { return show(api, request, ConfigShape::camel); }
Answer save_snake(const Api& api, http::Request& request) { return save(api, request, ConfigShape::snake); }
Answer save_camel(const Api& api, http::Request& request) { return save(api, request, ConfigShape::camel); }

http::Response test_failed(const Text& why, Language language) {
  return private_json({{"success", false}, {"error", why.in(language)}});
}

// The account to ask: as typed in, or behind the sandbox the sandbox, whatever was typed.
awaitable<Result<tasks::UpstreamAccount>> account_to_test(const Api& api, json::object body) {
  Members form(body);
  const std::string base_url = form.maybe_text("baseUrl", {0, 2048}).value_or("");
  const std::string posted = form.maybe_text("apiKey", {0, 4096}).value_or("");
  FLUX_CO_CHECK(form.check());
  const FluxConfig stored = co_await stored_config(api);
  const auto clean = clean_base_url(base_url);
  if (!clean || posted.empty())
    co_return fail(Errc::bad_request, "incomplete",
                   {"A base URL and a key are needed.", "需要填写接口地址和密钥。"});
  FLUX_CO_TRY(key, meant_key(posted, *clean, stored, "apiKey"));
  if (api.parts.accounts.sandbox()) {
    auto list = co_await api.parts.database.read(
        [&accounts = api.parts.accounts](db::Tx& tx) { return accounts.accounts(tx, kProvider); });
    co_return list.at(0);
  }
  tasks::UpstreamAccount account;
  if (stored.account) account.account.settings = stored.account->account.settings;
  account.account.id = "test";
  account.account.provider = kProvider;
  account.account.base_url = *clean;
  account.account.key = key;
  account.timeout_s = kProbeTimeout;
  co_return account;
}

Answer test_connection(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  auto chosen = co_await account_to_test(api, std::move(body));
  // A refused field is the caller's mistake; what is missing or unreachable is the outcome of the test.
  if (!chosen && chosen.error().errc() == Errc::invalid) co_return fail(std::move(chosen).error());
  if (!chosen) co_return test_failed(chosen.error().message(), request.language());
  auto probed = co_await boost::asio::co_spawn(api.parts.engine.executor(),
                                               api.parts.engine.probe(std::move(*chosen)), use_awaitable);
  if (!probed) co_return test_failed(probed.error().message(), request.language());
  const Text words =
      api.parts.info.sandbox
          ? Text{"The sandbox answers; no provider was contacted.", "沙盒已响应,未联系任何服务商。"}
          : Text{"The provider answers and takes the key.", "服务商已响应并接受密钥。"};
  co_return private_json({{"success", true}, {"message", words.in(request.language())}});
}

}  // namespace

void add_flux_config_routes(http::Router& router, const ApiPtr& api) {
  router.get("/api/v1/flux/models", bind(api, models));
  router.get("/api/v1/flux/config/user", bind(api, user_config));
  router.get("/api/v1/flux/credits", bind(api, own_credits));
  router.get("/api/v1/flux/health", bind(api, health));
  router.get("/api/v1/flux/config", bind(api, show_snake));
  router.post("/api/v1/flux/config", bind(api, save_snake));
  router.get("/api/v1/flux/admin/config", bind(api, show_camel));
  router.post("/api/v1/flux/admin/config", bind(api, save_camel));
  router.post("/api/v1/flux/admin/test-connection", bind(api, test_connection));
}

}  // namespace fluxgate::api

#include "api/system_routes.h"

#include <atomic>

#include "api/people.h"
#include "identity/users.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Principal;
using identity::Role;

// The picture of accounts without one: a head and shoulders.
constexpr std::string_view kDefaultPicture =
    R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" fill="#dfe3ea"/>)"
    R"(<circle cx="32" cy="25" r="11" fill="#8b95a7"/><path d="M10 60c2-15 11-21 22-21s20 6 22 21z" fill="#8b95a7"/></svg>)";

// ---- GET /api/config ----

json::object public_features(const identity::AccountSettings& accounts) {
  return {{"auth", true},
          {"auth_trusted_header", false},
          {"enable_signup_password_confirmation", false},
          {"enable_ldap", false},
          {"enable_api_key", accounts.enable_api_key},
          {"enable_signup", accounts.enable_signup},
          {"enable_login_form", accounts.enable_login_form},
          {"enable_signup_verify", false},
          {"enable_websocket", false},
          {"enable_version_update_check", false}};
}

bool flag(const json::object& settings, std::string_view name) {
  const auto* value = settings.if_contains(name);
  return value != nullptr && value->is_bool() && value->as_bool();
}

json::value text_or_null(const json::object& settings, std::string_view name) {
  const auto* value = settings.if_contains(name);
  return value != nullptr && value->is_string() ? *value : json::value(nullptr);
}

// Chat's features are Open WebUI's; a page made for both finds them switched off.
void add_member_features(json::object& features, const json::object& admin) {
  for (std::string_view name :
       {"enable_direct_connections", "enable_web_search", "enable_code_execution", "enable_code_interpreter",
        "enable_autocomplete_generation", "enable_admin_export", "enable_admin_chat_access",
        "enable_google_drive_integration", "enable_onedrive_integration"})
    features[name] = false;
  features["enable_image_generation"] = true;
  features["enable_channels"] = flag(admin, "ENABLE_CHANNELS");
  features["enable_notes"] = flag(admin, "ENABLE_NOTES");
  features["enable_community_sharing"] = flag(admin, "ENABLE_COMMUNITY_SHARING");
  features["enable_message_rating"] = flag(admin, "ENABLE_MESSAGE_RATING");
  features["enable_user_webhooks"] = flag(admin, "ENABLE_USER_WEBHOOKS");
}

void add_member_config(json::object& body, const json::object& stored, const json::object& admin,
                       std::int64_t user_count) {
  body["default_models"] = nullptr;
  body["default_prompt_suggestions"] = json::array{};
  body["user_count"] = user_count;
  body["code"] = {{"engine", ""}};
  body["audio"] = {{"tts", {{"engine", ""}, {"voice", ""}, {"split_on", "punctuation"}}},
                   {"stt", {{"engine", ""}}}};
  body["file"] = {
      {"max_size", 10}, {"max_count", 10}, {"image_compression", {{"width", nullptr}, {"height", nullptr}}}};
  body["permissions"] = permissions(stored);
  body["google_drive"] = {{"client_id", ""}, {"api_key", ""}};
  body["onedrive"] = {{"client_id", ""}, {"sharepoint_url", ""}, {"sharepoint_tenant_id", ""}};
  body["ui"] = {{"pending_user_overlay_title", text_or_null(admin, "PENDING_USER_OVERLAY_TITLE")},
                {"pending_user_overlay_content", text_or_null(admin, "PENDING_USER_OVERLAY_CONTENT")},
                {"response_watermark", text_or_null(admin, "RESPONSE_WATERMARK")}};
  body["license_metadata"] = nullptr;
}

// Once somebody has signed up there is always an account: the first one cannot be deleted.
awaitable<bool> has_users(const Api& api) {
  static constexpr auto kRelaxed = std::memory_order_relaxed;
  if (api.seen_users->load(kRelaxed)) co_return true;
  const auto count = co_await api.parts.database.read([](db::Tx& tx) { return identity::count_users(tx); });
  if (count > 0) api.seen_users->store(true, kRelaxed);
  co_return count > 0;
}

Answer config(const Api& api, http::Request& request) {
  const auto principal = co_await api.guard.recognise(request);
  const json::object stored = co_await api.parts.identity.stored_settings();
  const auto& given = api.parts.identity.given();
  json::object features = public_features(identity::account_settings(stored, given));
  json::object body{{"status", true},
                    {"name", api.parts.info.name},
                    {"version", api.parts.info.version},
                    {"default_locale", ""},
                    {"oauth", {{"providers", json::object{}}}},
                    {"sandbox", api.parts.info.sandbox}};
  if (!principal) {
    const bool settled = co_await has_users(api);
    if (!settled) body["onboarding"] = true;
  } else {
    const json::object admin = identity::admin_settings(stored, given);
    add_member_features(features, admin);
    if (principal->role >= Role::user) {
      const auto count =
          co_await api.parts.database.read([](db::Tx& tx) { return identity::count_users(tx); });
      add_member_config(body, stored, admin, count);
    }
    if (principal->is_admin()) body["active_entries"] = nullptr;
  }
  body["features"] = std::move(features);
  co_return private_json(body);
}

// ---- version, health, the way in ----

Answer version(const Api& api, http::Request&) {
  co_return http::Response::json({{"version", api.parts.info.version}});
}

// Nobody is asked for newer versions: a server that runs inside does not call out unbidden.
Answer version_updates(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  const std::string& current = api.parts.info.version;
  co_return http::Response::json({{"current", current}, {"latest", current}});
}

Answer health(const Api&, http::Request&) { co_return private_json({{"status", true}}); }

Answer health_db(const Api& api, http::Request&) {
  const auto one = co_await api.parts.database.read([](db::Tx& tx) { return tx.number("SELECT 1"); });
  co_return private_json({{"status", one == 1}});
}

Answer root(const Api&, http::Request&) { co_return http::Response::redirect("/api/docs"); }

Answer default_picture(const Api&, http::Request&) {
  co_return http::Response::text(std::string(kDefaultPicture), "image/svg+xml")
      .with("Cache-Control", "public, max-age=86400")
      .with("X-Content-Type-Options", "nosniff");
}

Answer unknown_path(const Api&, http::Request&) {
  co_return fail(Errc::not_found, "not_found", {"There is nothing at this path.", "该路径不存在。"});
}

}  // namespace

void add_health_routes(http::Router& router, const ApiPtr& api) {
  router.get("/health", bind(api, health));
  router.get("/health/db", bind(api, health_db));
  router.get("/api/version", bind(api, version));
  router.fallback(bind(api, unknown_path));
}

void add_system_routes(http::Router& router, const ApiPtr& api) {
  add_health_routes(router, api);
  router.get("/", bind(api, root));
  router.get("/user.png", bind(api, default_picture));
  router.get("/api/config", bind(api, config));
  router.get("/api/version/updates", bind(api, version_updates));
}

}  // namespace fluxgate::api

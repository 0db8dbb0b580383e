#include "identity/admin_settings.h"

#include "identity/input.h"

namespace fluxgate::identity {
namespace {

namespace json = boost::json;

enum class Kind { flag, text, maybe_text, role, duration };

struct Setting {
  std::string_view name;  // public
  std::string_view path;  // in the table `config`
  Kind kind;
  std::string_view fallback;  // "true", "false" or text
};

constexpr Setting kSettings[] = {
    {"SHOW_ADMIN_DETAILS", "auth.admin.show", Kind::flag, "true"},
    {"WEBUI_URL", "webui.url", Kind::text, ""},
    {"ENABLE_SIGNUP", "ui.enable_signup", Kind::flag, "true"},
    {"ENABLE_SIGNUP_VERIFY", "ui.signup_verify.enabled", Kind::flag, "false"},
    {"SIGNUP_EMAIL_DOMAIN_WHITELIST", "ui.signup.email_domain_whitelist", Kind::text, ""},
    {"ENABLE_API_KEY", "auth.api_key.enable", Kind::flag, "true"},
    {"ENABLE_API_KEY_ENDPOINT_RESTRICTIONS", "auth.api_key.endpoint_restrictions", Kind::flag, "false"},
    {"API_KEY_ALLOWED_ENDPOINTS", "auth.api_key.allowed_endpoints", Kind::text, ""},
    {"DEFAULT_USER_ROLE", "ui.default_user_role", Kind::role, "pending"},
    {"JWT_EXPIRES_IN", "auth.jwt_expiry", Kind::duration, "4w"},
    {"ENABLE_COMMUNITY_SHARING", "ui.enable_community_sharing", Kind::flag, "true"},
    {"ENABLE_MESSAGE_RATING", "ui.enable_message_rating", Kind::flag, "true"},
    {"ENABLE_CHANNELS", "channels.enable", Kind::flag, "false"},
    {"ENABLE_NOTES", "notes.enable", Kind::flag, "true"},
    {"ENABLE_USER_WEBHOOKS", "ui.enable_user_webhooks", Kind::flag, "true"},
    {"PENDING_USER_OVERLAY_TITLE", "ui.pending_user_overlay_title", Kind::maybe_text, ""},
    {"PENDING_USER_OVERLAY_CONTENT", "ui.pending_user_overlay_content", Kind::maybe_text, ""},
    {"RESPONSE_WATERMARK", "ui.watermark", Kind::maybe_text, ""},
};
constexpr std::size_t kTextMax = 10'000;  // bytes

const Setting& setting_named(std::string_view name) {
  return *std::ranges::find(kSettings, name, &Setting::name);
}

// The value the operator gave, or nothing.
std::optional<json::value> given_value(std::string_view name, const GivenSettings& given) {
  const auto as_value = [](const auto& member) -> std::optional<json::value> {
    if (!member) return std::nullopt;
    return json::value(*member);
  };
  if (name == "ENABLE_SIGNUP") return as_value(given.enable_signup);
  if (name == "DEFAULT_USER_ROLE") return as_value(given.default_user_role);
  if (name == "JWT_EXPIRES_IN") return as_value(given.jwt_expires_in);
  if (name == "WEBUI_URL") return as_value(given.webui_url);
  if (name == "ENABLE_API_KEY") return as_value(given.enable_api_key);
  return std::nullopt;
}

bool fits(Kind kind, const json::value& value) {
  if (kind == Kind::flag) return value.is_bool();
  if (kind == Kind::maybe_text && value.is_null()) return true;
  if (!value.is_string() || value.as_string().size() > kTextMax) return false;
  if (kind == Kind::role) return parse_role(value.as_string()).has_value();
  if (kind == Kind::duration) return parse_duration(value.as_string()).has_value();
  return true;
}

json::value fallback_of(const Setting& setting) {
  if (setting.kind == Kind::flag) return setting.fallback == "true";
  if (setting.kind == Kind::maybe_text) return nullptr;
  return json::value(json::string(setting.fallback));
}

// Given, else stored, else the default; what does not fit (an adopted row may hold anything) is passed over.
json::value value_in_force(const Setting& setting, const json::object& stored, const GivenSettings& given) {
  if (auto value = given_value(setting.name, given); value && fits(setting.kind, *value)) return *value;
  if (const auto* value = setting_at(stored, setting.path); value != nullptr && fits(setting.kind, *value))
    return *value;
  return fallback_of(setting);
}

std::vector<std::string> comma_list(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const auto comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return items;
}

Error wrong_value(const Setting& setting, const json::value& value) {
  const std::string field(setting.name);
  switch (setting.kind) {
    case Kind::flag:
      return field_error(field, "bool_type", {"Expected true or false.", "应为 true 或 false。"}, {}, value);
    case Kind::role:
      return field_error(field, "enum",
                         {"A role is pending, user or admin.", "角色只能是 pending、user 或 admin。"}, {},
                         value);
    case Kind::duration:
      return field_error(
          field, "duration",
          {"Expected -1 or 0 (never), or a sum such as 4w or 1h30m with the units ms s m h d w.",
           "应为 -1 或 0(永不过期),或如 4w、1h30m 的时长,单位为 ms s m h d w。"},
          {}, value);
    case Kind::text:
    case Kind::maybe_text: break;
  }
  return field_error(field, "string_type",
                     {fmt::format("Expected text of at most {} bytes.", kTextMax),
                      fmt::format("应为最多 {} 字节的文本。", kTextMax)});
}

}  // namespace

AccountSettings account_settings(const json::object& stored, const GivenSettings& given) {
  const auto flag = [&](std::string_view name) {
    return value_in_force(setting_named(name), stored, given).as_bool();
  };
  const auto text = [&](std::string_view name) {
    return std::string(value_in_force(setting_named(name), stored, given).as_string());
  };
  AccountSettings settings;
  settings.enable_signup = flag("ENABLE_SIGNUP");
  if (const auto* form = setting_at(stored, "ui.ENABLE_LOGIN_FORM"); form != nullptr && form->is_bool())
    settings.enable_login_form = form->as_bool();
  settings.enable_api_key = flag("ENABLE_API_KEY");
  settings.default_role = parse_role(text("DEFAULT_USER_ROLE")).value_or(Role::pending);
  // Codes by mail are not sent by this server: where they were demanded, an admin lets people in.
  if (flag("ENABLE_SIGNUP_VERIFY")) settings.default_role = Role::pending;
  settings.session_lifetime = parse_duration(text("JWT_EXPIRES_IN")).value_or(std::chrono::weeks{4});
  settings.email_domains = comma_list(text("SIGNUP_EMAIL_DOMAIN_WHITELIST"));
  if (flag("ENABLE_API_KEY_ENDPOINT_RESTRICTIONS"))
    settings.key_paths = comma_list(text("API_KEY_ALLOWED_ENDPOINTS"));
  return settings;
}

json::object admin_settings(const json::object& stored, const GivenSettings& given) {
  json::object body;
  for (const Setting& setting : kSettings) body[setting.name] = value_in_force(setting, stored, given);
  return body;
}

Result<SettingChanges> admin_changes(const json::object& wanted, const json::object& stored,
                                     const GivenSettings& given) {
  SettingChanges changes;
  for (const Setting& setting : kSettings) {
    const auto* value = wanted.if_contains(setting.name);
    if (value == nullptr || (value->is_null() && setting.kind != Kind::maybe_text)) continue;
    if (!fits(setting.kind, *value)) return fail(wrong_value(setting, *value));
    if (*value == value_in_force(setting, stored, given)) continue;
    if (given_value(setting.name, given))
      return fail(
          Error(Errc::conflict, "given_at_start",
                {fmt::format("{} was given when the server was started and is changed there.", setting.name),
                 fmt::format("{} 已在启动服务器时指定,请在启动配置中修改。", setting.name)})
              .with("setting", json::string(setting.name)));
    changes.emplace_back(setting.path, *value);
  }
  return changes;
}

}  // namespace fluxgate::identity

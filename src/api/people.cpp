#include "api/people.h"

#include "credits/ledger.h"
#include "identity/input.h"
#include "identity/settings.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;

// Only what concerns chat; kept so that clients of the original find the tree they expect.
constexpr std::string_view kPermissions = R"({
  "workspace": {"models": false, "knowledge": false, "prompts": false, "tools": false},
  "sharing": {"public_models": true, "public_knowledge": true, "public_prompts": true, "public_tools": true,
              "public_notes": true},
  "chat": {"controls": true, "valves": true, "system_prompt": true, "params": true, "file_upload": true,
           "delete": true, "edit": true, "share": true, "export": true, "stt": true, "tts": true, "call": true,
           "multiple_models": true, "temporary": true, "temporary_enforced": false},
  "features": {"direct_tool_servers": false, "web_search": true, "image_generation": true,
               "code_interpreter": true, "notes": true}})";

// Members of `over` win; objects are merged.
void merge(json::object& base, const json::object& over) {
  for (const auto& [key, value] : over) {
    json::value& place = base[key];
    if (place.is_object() && value.is_object())
      merge(place.as_object(), value.as_object());
    else
      place = value;
  }
}

json::value seconds_or_null(const std::optional<Millis>& time) {
  if (!time) return nullptr;
  return *time / 1000;
}

}  // namespace

http::Handler bind(std::shared_ptr<const People> people, PeopleHandler handler) {
  return [people = std::move(people), handler](http::Request& request) { return or_unavailable(handler(*people, request)); };
}

json::object user_body(const identity::User& user) {
  return {{"id", user.id},
          {"email", user.email},
          {"name", user.name},
          {"role", json::string(identity::name(user.role))},
          {"profile_image_url", user.profile_image_url},
          {"last_active_at", user.last_active_at},
          {"updated_at", user.updated_at},
          {"created_at", user.created_at}};
}

json::object permissions(const json::object& stored_settings) {
  json::object tree = json::parse(kPermissions).as_object();
  const auto* stored = identity::setting_at(stored_settings, "user.permissions");
  if (stored != nullptr && stored->is_object()) merge(tree, stored->as_object());
  return tree;
}

std::optional<Credits> spendable(db::Tx& tx, std::string_view user_id) {
  const auto account = credits::find_account(tx, user_id);
  if (!account) return std::nullopt;
  return account->available();
}

awaitable<json::object> session_body(const People& people, identity::Session session) {
  const auto settings = co_await people.identity.stored_settings();
  const auto credit =
      co_await people.database.read([id = session.user.id](db::Tx& tx) { return spendable(tx, id); });
  const identity::User& user = session.user;
  json::value token = nullptr;  // callers with an access key have none
  if (!session.token.empty()) token = session.token;
  co_return json::object{{"token", std::move(token)},
                         {"token_type", "Bearer"},
                         {"expires_at", seconds_or_null(session.expires_at)},
                         {"id", user.id},
                         {"email", user.email},
                         {"name", user.name},
                         {"role", json::string(identity::name(user.role))},
                         {"profile_image_url", user.profile_image_url},
                         {"permissions", permissions(settings)},
                         {"credit", credit.value_or(Credits()).to_string()}};
}

std::string session_cookie(const People& people, const http::Request& request,
                           const identity::Session& session) {
  std::string cookie = fmt::format("{}={}; Path=/; HttpOnly; SameSite=Lax", kSessionCookie, session.token);
  if (people.secure_cookies || request.over_tls()) cookie += "; Secure";
  if (session.expires_at) cookie += fmt::format("; Expires={}", http_date(*session.expires_at));
  return cookie;
}

awaitable<http::Response> session_answer(const People& people, const http::Request& request,
                                         identity::Session session) {
  const std::string cookie = session.token.empty() ? "" : session_cookie(people, request, session);
  const json::object body = co_await session_body(people, std::move(session));
  http::Response response = private_json(body);
  if (!cookie.empty()) response.headers.emplace_back("Set-Cookie", cookie);
  co_return response;
}

}  // namespace fluxgate::api

#include "api/auth_routes.h"

#include "identity/input.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;
using Answer = awaitable<Result<http::Response>>;

constexpr std::size_t kFormLimit = 768 * 1024;  // a profile picture as a data URL is the largest member
constexpr Members::Length kSecret{0, 4096};     // judged by identity; an absurd one not even there

Answer session(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::pending);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto found = co_await people.identity.session(principal.user_id, presented_token(request).text);
  FLUX_CO_TRY(session, std::move(found));
  auto response = co_await session_answer(people, request, std::move(session));
  co_return response;
}

Answer sign_in(const People& people, http::Request& request) {
  auto read = co_await read_json(request, kFormLimit);
  FLUX_CO_TRY(body, std::move(read));
  Members form(body);
  std::string email = form.text("email", kSecret);
  std::string password = form.text("password", kSecret);
  FLUX_CO_CHECK(form.check());
  auto signed_in = co_await people.identity.sign_in(std::move(email), std::move(password),
                                                    std::string(request.remote_address()));
  FLUX_CO_TRY(session, std::move(signed_in));
  auto response = co_await session_answer(people, request, std::move(session));
  co_return response;
}

identity::SignUp read_sign_up(Members& form) {
  identity::SignUp fields;
  fields.name = form.text("name");
  fields.email = form.text("email");
  fields.password = form.text("password", kSecret);
  fields.profile_image_url = form.maybe_text("profile_image_url", {0, kFormLimit}).value_or("");
  return fields;
}

Answer sign_up(const People& people, http::Request& request) {
  auto read = co_await read_json(request, kFormLimit);
  FLUX_CO_TRY(body, std::move(read));
  Members form(body);
  identity::SignUp fields = read_sign_up(form);
  FLUX_CO_CHECK(form.check());
  auto signed_up = co_await people.identity.sign_up(std::move(fields));
  FLUX_CO_TRY(session, std::move(signed_up));
  auto response = co_await session_answer(people, request, std::move(session));
  co_return response;
}

// Takes the cookies away. The token itself ends with its time or the next change of password.
Answer sign_out(const People&, http::Request&) {
  http::Response response = private_json({{"status", true}});
  for (std::string_view cookie : {kSessionCookie, std::string_view("oui-session")})
    response.headers.emplace_back("Set-Cookie",
                                  fmt::format("{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0", cookie));
  co_return response;
}

Answer update_profile(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::user);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request, kFormLimit);
  FLUX_CO_TRY(body, std::move(read));
  Members form(body);
  std::string name = form.text("name");
  std::string picture = form.text("profile_image_url", {0, kFormLimit});
  FLUX_CO_CHECK(form.check());
  auto updated =
      co_await people.identity.update_profile(principal.user_id, std::move(name), std::move(picture));
  FLUX_CO_TRY(user, std::move(updated));
  co_return private_json(user_body(user));
}

// Every older token ends; a browser goes on with the new one in its cookie.
Answer update_password(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::pending);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  Members form(body);
  std::string current = form.text("password", kSecret);
  std::string next = form.text("new_password", kSecret);
  FLUX_CO_CHECK(form.check());
  auto changed =
      co_await people.identity.change_password(principal.user_id, std::move(current), std::move(next));
  FLUX_CO_TRY(session, std::move(changed));
  co_return private_json(true).with("Set-Cookie", session_cookie(people, request, session));
}

Answer add_user(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request, kFormLimit);
  FLUX_CO_TRY(body, std::move(read));
  Members form(body);
  identity::SignUp fields = read_sign_up(form);
  const std::string role_text = form.maybe_text("role").value_or("pending");
  FLUX_CO_CHECK(form.check());
  FLUX_CO_TRY(role, identity::role_field(role_text));
  auto added = co_await people.identity.add_user(std::move(fields), role);
  FLUX_CO_TRY(session, std::move(added));
  const json::object answer = co_await session_body(people, std::move(session));
  co_return private_json(answer);
}

// ---- access keys ----

json::object key_body(const identity::AccessKey& key) {
  const auto seconds = [](const std::optional<Millis>& time) -> json::value {
    if (!time) return nullptr;
    return *time / 1000;
  };
  return {{"id", key.id},
          {"name", key.name},
          {"prefix", key.prefix},
          {"created_at", key.created_at / 1000},
          {"last_used_at", seconds(key.last_used_at)},
          {"expires_at", seconds(key.expires_at)}};
}

Answer create_default_key(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::pending);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto made = co_await people.identity.create_key(principal.user_id, std::string(identity::kDefaultKeyName),
                                                  std::nullopt);
  FLUX_CO_TRY(fresh, std::move(made));
  co_return private_json({{"api_key", fresh.text}});
}

Answer show_default_key(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::pending);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto found = co_await people.identity.keys(principal.user_id);
  FLUX_CO_TRY(known, std::move(found));
  for (const identity::AccessKey& key : known.keys)
    if (key.name == identity::kDefaultKeyName)
      co_return private_json({{"api_key", key.prefix + "…"}, {"masked", true}, {"key", key_body(key)}});
  if (known.imported) co_return private_json({{"api_key", "sk-…"}, {"masked", true}, {"key", nullptr}});
  co_return fail(Errc::not_found, "no_api_key", {"You have no access key.", "您还没有访问密钥。"});
}

Answer delete_default_key(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::pending);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto deleted = co_await people.identity.delete_default_key(principal.user_id);
  FLUX_CO_TRY(existed, std::move(deleted));
  co_return private_json(existed);
}

Answer list_keys(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::pending);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto found = co_await people.identity.keys(principal.user_id);
  FLUX_CO_TRY(known, std::move(found));
  json::array list;
  for (const identity::AccessKey& key : known.keys) list.push_back(key_body(key));
  co_return private_json({{"keys", std::move(list)}, {"imported", known.imported}});
}

Answer create_key(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::pending);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  Members form(body);
  std::string name = form.text("name", {1, 64});
  const auto expires_at = form.maybe_integer("expires_at", 0, 1'000'000'000'000);  // seconds
  FLUX_CO_CHECK(form.check());
  std::optional<Millis> ends;
  if (expires_at) ends = *expires_at * 1000;
  auto made = co_await people.identity.create_key(principal.user_id, std::move(name), ends);
  FLUX_CO_TRY(fresh, std::move(made));
  json::object answer = key_body(fresh.key);
  answer["api_key"] = fresh.text;
  co_return private_json(answer);
}

Answer delete_key(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::pending);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto deleted = co_await people.identity.delete_key(principal.user_id, std::string(request.param("id")));
  FLUX_CO_TRY(existed, std::move(deleted));
  if (!existed) co_return fail(Errc::not_found, "no_api_key", {"There is no such key.", "密钥不存在。"});
  co_return private_json(true);
}

// ---- administration ----

Answer admin_details(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::pending);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto found = co_await people.identity.contact_admin();
  FLUX_CO_TRY(admin, std::move(found));
  co_return private_json({{"name", admin.name}, {"email", admin.email}});
}

Answer admin_config(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  const json::object config = co_await people.identity.admin_config();
  co_return private_json(config);
}

Answer set_admin_config(const People& people, http::Request& request) {
  auto admitted = co_await people.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  auto stored = co_await people.identity.set_admin_config(std::move(body));
  FLUX_CO_TRY(config, std::move(stored));
  co_return private_json(config);
}

}  // namespace

void add_auth_routes(http::Router& router, const std::shared_ptr<const People>& people) {
  router.get("/api/v1/auths", bind(people, session));
  router.get("/api/v1/auths/", bind(people, session));
  router.post("/api/v1/auths/signin", bind(people, sign_in));
  router.post("/api/v1/auths/signup", bind(people, sign_up));
  router.get("/api/v1/auths/signout", bind(people, sign_out));
  router.post("/api/v1/auths/update/profile", bind(people, update_profile));
  router.post("/api/v1/auths/update/password", bind(people, update_password));
  router.post("/api/v1/auths/add", bind(people, add_user));
  router.post("/api/v1/auths/api_key", bind(people, create_default_key));
  router.get("/api/v1/auths/api_key", bind(people, show_default_key));
  router.del("/api/v1/auths/api_key", bind(people, delete_default_key));
  router.get("/api/v1/auths/api_keys", bind(people, list_keys));
  router.post("/api/v1/auths/api_keys", bind(people, create_key));
  router.del("/api/v1/auths/api_keys/{id}", bind(people, delete_key));
  router.get("/api/v1/auths/admin/details", bind(people, admin_details));
  router.get("/api/v1/auths/admin/config", bind(people, admin_config));
  router.post("/api/v1/auths/admin/config", bind(people, set_admin_config));
}

}  // namespace fluxgate::api

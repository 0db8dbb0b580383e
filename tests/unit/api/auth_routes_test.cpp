#include "people_fixture.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;

TEST_F(PeopleTest, SignUpAnswersWithTheSessionAndACookie) {
  const auto response = send("POST", "/api/v1/auths/signup", "",
                             {{"name", "Ada"}, {"email", "ada@example.org"}, {"password", "correct horse"}});
  ASSERT_EQ(response.status, 200);
  const auto body = json(response);
  EXPECT_EQ(body.at("token_type"), "Bearer");
  EXPECT_EQ(body.at("role"), "admin");
  EXPECT_EQ(body.at("credit"), "100");
  EXPECT_EQ(body.at("profile_image_url"), "/user.png");
  EXPECT_EQ(body.at("expires_at"), (clock_.now_ms() + 28LL * 86'400'000) / 1000);
  EXPECT_TRUE(body.at("permissions").at("features").is_object());
  const std::string cookie = header(response, "Set-Cookie");
  EXPECT_TRUE(cookie.starts_with("token=" + std::string(body.at("token").as_string()) + ";"));
  for (const char* part : {"; HttpOnly", "; SameSite=Lax", "; Path=/", "; Expires="})
    EXPECT_NE(cookie.find(part), std::string::npos) << part;
  EXPECT_EQ(cookie.find("Secure"), std::string::npos);
  EXPECT_EQ(header(response, "Cache-Control"), "no-store");
}

TEST_F(PeopleTest, CookiesAreSecureOverTls) {
  FakeRequest request("POST", "/api/v1/auths/signup",
                      R"({"name":"A","email":"a@b.org","password":"correct horse"})");
  request.tls = true;
  EXPECT_NE(header(send(request), "Set-Cookie").find("; Secure"), std::string::npos);
}

TEST_F(PeopleTest, SignUpNamesEveryMissingMemberAndNeverThePassword) {
  const auto response = send("POST", "/api/v1/auths/signup", "", {{"password", "hunter2"}, {"emial", "x"}});
  EXPECT_EQ(response.status, 422);
  const auto body = json(response);
  EXPECT_EQ(body.at("detail").as_array().size(), 3u);  // name, email, and the unknown emial
  EXPECT_EQ(text(response).find("hunter2"), std::string::npos);
  const auto weak = send("POST", "/api/v1/auths/signup", "",
                         {{"name", "A"}, {"email", "a@b.org"}, {"password", "hunter2"}});
  EXPECT_EQ(weak.status, 422);
  EXPECT_EQ(json::serialize(json(weak).at("detail").at(0).at("loc")), R"(["body","password"])");
  EXPECT_EQ(text(weak).find("hunter2"), std::string::npos);
}

TEST_F(PeopleTest, SignUpCannotNameItsRole) {
  sign_up("ada@example.org");
  const auto response =
      send("POST", "/api/v1/auths/signup", "",
           {{"name", "E"}, {"email", "e@b.org"}, {"password", "correct horse"}, {"role", "admin"}});
  EXPECT_EQ(response.status, 422);
}

TEST_F(PeopleTest, SignInGivesASessionAndRefusalsLookAlike) {
  sign_up("ada@example.org");
  const auto response =
      send("POST", "/api/v1/auths/signin", "", {{"email", "ADA@example.org"}, {"password", "correct horse"}});
  EXPECT_EQ(response.status, 200);
  const auto wrong =
      send("POST", "/api/v1/auths/signin", "", {{"email", "ada@example.org"}, {"password", "wrong horse"}});
  const auto unknown =
      send("POST", "/api/v1/auths/signin", "", {{"email", "bob@example.org"}, {"password", "wrong horse"}});
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(text(wrong), text(unknown));
}

TEST_F(PeopleTest, SignInSaysWhenToTryAgainAfterTooManyFailures) {
  sign_up("ada@example.org");
  for (int i = 0; i < 10; ++i)
    send("POST", "/api/v1/auths/signin", "", {{"email", "ada@example.org"}, {"password", "wrong horse"}});
  const auto response =
      send("POST", "/api/v1/auths/signin", "", {{"email", "ada@example.org"}, {"password", "correct horse"}});
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(header(response, "Retry-After"), "900");
}

TEST_F(PeopleTest, SessionIsShownToBearersAndBrowsersAlike) {
  const auto ada = sign_up("ada@example.org");
  for (const char* path : {"/api/v1/auths", "/api/v1/auths/"}) {
    const auto response = send("GET", path, ada.token);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(json(response).at("token"), ada.token.c_str());
  }
  FakeRequest browser("GET", "/api/v1/auths/");
  browser.cookies["token"] = ada.token;
  EXPECT_EQ(send(browser).status, 200);
  EXPECT_EQ(send("GET", "/api/v1/auths/").status, 401);
}

TEST_F(PeopleTest, SignOutTakesTheCookieAway) {
  const auto response = send("GET", "/api/v1/auths/signout");
  EXPECT_EQ(json(response).at("status"), true);
  EXPECT_NE(header(response, "Set-Cookie").find("token=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"),
            std::string::npos);
}

TEST_F(PeopleTest, PasswordChangeEndsOldTokensAndBringsANewCookie) {
  const auto ada = sign_up("ada@example.org");
  EXPECT_EQ(send("POST", "/api/v1/auths/update/password", ada.token,
                 {{"password", "wrong horse"}, {"new_password", "battery staple"}})
                .status,
            400);
  EXPECT_EQ(send("POST", "/api/v1/auths/update/password", ada.token,
                 {{"password", "correct horse"}, {"new_password", "short"}})
                .status,
            422);
  const auto changed = send("POST", "/api/v1/auths/update/password", ada.token,
                            {{"password", "correct horse"}, {"new_password", "battery staple"}});
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(text(changed), "true");
  EXPECT_EQ(send("GET", "/api/v1/auths/", ada.token).status, 401);
  const std::string cookie = header(changed, "Set-Cookie");
  EXPECT_EQ(send("GET", "/api/v1/auths/", cookie.substr(6, cookie.find(';') - 6)).status, 200);
}

TEST_F(PeopleTest, ProfileIsUpdated) {
  const auto ada = sign_up("ada@example.org");
  const auto response = send("POST", "/api/v1/auths/update/profile", ada.token,
                             {{"name", "Ada L."}, {"profile_image_url", "/me.png"}});
  EXPECT_EQ(json(response).at("name"), "Ada L.");
  EXPECT_EQ(send("POST", "/api/v1/auths/update/profile", ada.token,
                 {{"name", "A"}, {"profile_image_url", "javascript:x"}})
                .status,
            422);
}

TEST_F(PeopleTest, AccessKeysAreShownOnceAndMaskedAfterwards) {
  const auto ada = sign_up("ada@example.org");
  EXPECT_EQ(send("GET", "/api/v1/auths/api_key", ada.token).status, 404);
  const auto made = json(send("POST", "/api/v1/auths/api_key", ada.token));
  const std::string key(made.at("api_key").as_string());
  EXPECT_EQ(key.size(), 35u);
  EXPECT_EQ(json(send("GET", "/api/v1/auths/", key)).at("token"), nullptr);
  const auto shown = json(send("GET", "/api/v1/auths/api_key", ada.token));
  EXPECT_EQ(shown.at("api_key").as_string(), key.substr(0, 11) + "…");
  EXPECT_EQ(text(send("DELETE", "/api/v1/auths/api_key", ada.token)), "true");
  EXPECT_EQ(send("GET", "/api/v1/auths/", key).status, 401);
}

TEST_F(PeopleTest, NamedKeysAreListedAndDeleted) {
  const auto ada = sign_up("ada@example.org");
  const auto made = json(send("POST", "/api/v1/auths/api_keys", ada.token,
                              {{"name", "ci"}, {"expires_at", clock_.now_ms() / 1000 + 60}}));
  const std::string id(made.at("id").as_string());
  const auto keys = json(send("GET", "/api/v1/auths/api_keys", ada.token)).at("keys").as_array();
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_FALSE(keys[0].as_object().contains("api_key"));
  EXPECT_EQ(send("DELETE", "/api/v1/auths/api_keys/" + id, ada.token).status, 200);
  EXPECT_EQ(send("DELETE", "/api/v1/auths/api_keys/" + id, ada.token).status, 404);
  EXPECT_EQ(send("POST", "/api/v1/auths/api_keys", ada.token, {{"name", ""}}).status, 422);
}

TEST_F(PeopleTest, AdminConfigIsForAdminsAndKeepsWhatItIsGiven) {
  const auto ada = sign_up("ada@example.org");
  const auto bob = sign_up("bob@example.org");
  EXPECT_EQ(send("GET", "/api/v1/auths/admin/config", bob.token).status, 403);
  const auto config = json(send("GET", "/api/v1/auths/admin/config", ada.token));
  EXPECT_EQ(config.at("ENABLE_SIGNUP"), true);
  EXPECT_EQ(config.at("DEFAULT_USER_ROLE"), "user");
  auto wanted = config;
  wanted.at("ENABLE_SIGNUP") = false;
  EXPECT_EQ(send("POST", "/api/v1/auths/admin/config", ada.token, wanted).status, 200);
  EXPECT_EQ(send("POST", "/api/v1/auths/signup", "",
                 {{"name", "E"}, {"email", "e@b.org"}, {"password", "correct horse"}})
                .status,
            403);
  EXPECT_EQ(send("POST", "/api/v1/auths/admin/config", ada.token, {{"JWT_EXPIRES_IN", "soon"}}).status, 422);
  EXPECT_EQ(send("POST", "/api/v1/auths/admin/config", ada.token, {{"DEFAULT_USER_ROLE", "admin"}}).status,
            409);
}

TEST_F(PeopleTest, AdminsAddUsersOfAnyRole) {
  const auto ada = sign_up("ada@example.org");
  const json::object form{
      {"name", "Bob"}, {"email", "bob@example.org"}, {"password", "correct horse"}, {"role", "user"}};
  const auto added = send("POST", "/api/v1/auths/add", ada.token, form);
  EXPECT_EQ(added.status, 200);
  EXPECT_EQ(json(added).at("role"), "user");
  EXPECT_TRUE(header(added, "Set-Cookie").empty());  // the admin stays who they are
  EXPECT_EQ(send("POST", "/api/v1/auths/add", ada.token, form).status, 400);
  auto odd = form;
  odd["role"] = "emperor";
  EXPECT_EQ(send("POST", "/api/v1/auths/add", ada.token, odd).status, 422);
  EXPECT_EQ(send("POST", "/api/v1/auths/add", std::string(json(added).at("token").as_string()), form).status,
            403);
}

TEST_F(PeopleTest, RefusalsComeInOrder) {
  const auto bob = (sign_up("ada@example.org"), sign_up("bob@example.org"));
  FakeRequest stranger("POST", "/api/v1/auths/add", "{broken");
  EXPECT_EQ(send(stranger).status, 401);
  EXPECT_EQ(stranger.reads, 0);
  FakeRequest member("POST", "/api/v1/auths/add", "{broken");
  member.headers["authorization"] = "Bearer " + bob.token;
  EXPECT_EQ(send(member).status, 403);
  EXPECT_EQ(member.reads, 0);
  FakeRequest broken("POST", "/api/v1/auths/signin", "{broken");
  EXPECT_EQ(send(broken).status, 400);
}

}  // namespace
}  // namespace fluxgate::api

#include <thread>

#include <fmt/format.h>

#include "suite.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

constexpr const char* kAuthConfig = "/api/v1/auths/admin/config";

Answer sign_in(const std::string& email, const std::string& password) {
  return api().post("/api/v1/auths/signin", "", {{"email", email}, {"password", password}});
}

// Sets one setting for the length of a test.
class Setting {
 public:
  Setting(const char* name, json::value value) : name_(name) {
    before_ = api().get(kAuthConfig, admin().token).json().at(name);
    EXPECT_EQ(api().post(kAuthConfig, admin().token, {{name, std::move(value)}}).status, 200);
  }
  ~Setting() { EXPECT_EQ(api().post(kAuthConfig, admin().token, {{name_, before_}}).status, 200); }

 private:
  const char* name_;
  json::value before_;
};

TEST(People, ANewAccountIsSignedInAtOnceAndHasItsCredits) {
  const Person ann = somebody();
  for (const char* path : {"/api/v1/auths", "/api/v1/auths/"}) {
    const Answer session = api().get(path, ann.token);
    EXPECT_EQ(session.json().at("role"), "user");
    EXPECT_EQ(session.json().at("credit"), "100");
  }
  EXPECT_EQ(balance(ann), 100);
  EXPECT_EQ(api().get("/api/v1/auths/", admin().token).json().at("role"), "admin") << "the first one";
}

TEST(People, SignInAndOut) {
  const Person ann = somebody();
  const Answer session = sign_in(ann.email, kPassword);
  EXPECT_EQ(session.status, 200);
  EXPECT_NE(session.header("set-cookie").find("HttpOnly"), std::string::npos);
  EXPECT_EQ(sign_in(ann.email, "a wrong password").status, 400);
  EXPECT_EQ(api().get("/api/v1/auths/signout").json().at("status"), true);
}

TEST(People, GuessingIsSlowedDown) {
  const Person ann = somebody();
  for (int i = 0; i < 10; ++i) sign_in(ann.email, "a wrong password");
  const Answer refused = sign_in(ann.email, kPassword);
  EXPECT_EQ(refused.status, 429);
  EXPECT_FALSE(refused.header("retry-after").empty());
}

TEST(People, SignUpIsRefusedForWhatIsTakenWrongOrSwitchedOff) {
  const json::object form{{"name", "A"}, {"email", admin().email}, {"password", kPassword}};
  EXPECT_EQ(api().post("/api/v1/auths/signup", "", form).status, 400);
  EXPECT_EQ(
      api()
          .post("/api/v1/auths/signup", "", {{"name", "A"}, {"email", "nowhere"}, {"password", kPassword}})
          .status,
      422);
  EXPECT_EQ(api()
                .post("/api/v1/auths/signup", "",
                      {{"name", "A"}, {"email", "x@example.org"}, {"password", "short"}})
                .status,
            422);
  const Setting off("ENABLE_SIGNUP", false);
  EXPECT_EQ(api()
                .post("/api/v1/auths/signup", "",
                      {{"name", "A"}, {"email", "x@example.org"}, {"password", kPassword}})
                .status,
            403);
}

TEST(People, ACrowdAtTheDoorIsAskedToComeBack) {
  constexpr int kCrowd = 24;
  std::vector<Call> calls(kCrowd);
  std::vector<Answer> answers(kCrowd);
  {
    std::vector<std::jthread> crowd;
    for (int i = 0; i < kCrowd; ++i) {
      calls[i] = {.method = "POST",
                  .path = "/api/v1/auths/signup",
                  .json = json::object{{"name", "A"},
                                       {"email", fmt::format("crowd{}@example.org", i)},
                                       {"password", kPassword}},
                  .off_contract = true};
      crowd.emplace_back([&call = calls[i], &answer = answers[i]] { answer = api().send(call); });
    }
  }
  int busy = 0;
  for (int i = 0; i < kCrowd; ++i) {
    contract().hold(calls[i], answers[i]);
    busy += answers[i].status == 429 ? 1 : 0;
    EXPECT_TRUE(answers[i].status == 200 || answers[i].status == 429) << answers[i].body;
  }
  EXPECT_GT(busy, 0);
  EXPECT_LT(busy, kCrowd);
}

TEST(People, ChangeTheirProfileAndPassword) {
  const Person ann = somebody();
  const Answer profile = api().post("/api/v1/auths/update/profile", ann.token,
                                    {{"name", "Ann"}, {"profile_image_url", "/user.png"}});
  EXPECT_EQ(profile.json().at("name"), "Ann");
  EXPECT_EQ(api()
                .post("/api/v1/auths/update/password", ann.token,
                      {{"password", "not the old one"}, {"new_password", "a new password"}})
                .status,
            400);
  EXPECT_EQ(api()
                .post("/api/v1/auths/update/password", ann.token,
                      {{"password", kPassword}, {"new_password", "short"}})
                .status,
            422);
  EXPECT_EQ(api()
                .post("/api/v1/auths/update/password", ann.token,
                      {{"password", kPassword}, {"new_password", "a new password"}})
                .status,
            200);
  EXPECT_EQ(api().get("/api/v1/auths/", ann.token).status, 401) << "older tokens end";
  EXPECT_EQ(sign_in(ann.email, "a new password").status, 200);
}

TEST(People, GuessingTheOldPasswordIsSlowedDownToo) {
  const Person ann = somebody();
  int status = 0;
  for (int i = 0; i < 11; ++i)
    status = api()
                 .post("/api/v1/auths/update/password", ann.token,
                       {{"password", "not the old one"}, {"new_password", "a new password"}})
                 .status;
  EXPECT_EQ(status, 429);
}

Answer make_default_key(const Person& person) {
  return api().send({.method = "POST", .path = "/api/v1/auths/api_key", .token = person.token});
}

TEST(AccessKeys, WorkLikeATokenUntilTheyAreEnded) {
  const Person ann = somebody();
  EXPECT_EQ(api().get("/api/v1/auths/api_key", ann.token).status, 404);
  const std::string key(make_default_key(ann).json().at("api_key").as_string());
  EXPECT_TRUE(key.starts_with("sk-"));
  const Answer shown = api().get("/api/v1/auths/api_key", ann.token);
  EXPECT_EQ(shown.body.find(key), std::string::npos);
  EXPECT_EQ(balance({ann.id, ann.email, key}), 100);
  EXPECT_TRUE(api().get("/api/v1/auths/", key).json().at("token").is_null());
  EXPECT_EQ(api().del("/api/v1/auths/api_key", ann.token).json(), true);
  EXPECT_EQ(api().get("/api/v1/flux/credits", key).status, 401);
}

TEST(AccessKeys, HaveNamesAndANumberThatIsLimited) {
  const Person ann = somebody();
  std::string id;
  for (int i = 0; i < 20; ++i) {
    const Answer made = api().post("/api/v1/auths/api_keys", ann.token, {{"name", fmt::format("key {}", i)}});
    ASSERT_EQ(made.status, 200) << made.body;
    id = std::string(made.json().at("id").as_string());
  }
  EXPECT_EQ(api().post("/api/v1/auths/api_keys", ann.token, {{"name", "one more"}}).status, 409);
  EXPECT_EQ(api().get("/api/v1/auths/api_keys", ann.token).json().at("keys").as_array().size(), 20u);
  EXPECT_EQ(api().del("/api/v1/auths/api_keys/" + id, ann.token).status, 200);
  EXPECT_EQ(api().del("/api/v1/auths/api_keys/" + id, ann.token).status, 404);
}

TEST(AccessKeys, CanBeSwitchedOff) {
  const Person ann = somebody();
  const Setting off("ENABLE_API_KEY", false);
  EXPECT_EQ(make_default_key(ann).status, 403);
  EXPECT_EQ(api().post("/api/v1/auths/api_keys", ann.token, {{"name", "x"}}).status, 403);
  EXPECT_EQ(api().get("/api/v1/auths/api_keys", ann.token).status, 200)
      << "what there is can still be seen and ended";
}

TEST(PeopleAdministration, OpensAccountsForOthers) {
  const json::object form{
      {"name", "Eve"}, {"email", "eve@example.org"}, {"password", kPassword}, {"role", "user"}};
  EXPECT_EQ(api().post("/api/v1/auths/add", admin().token, form).json().at("role"), "user");
  EXPECT_EQ(api().post("/api/v1/auths/add", admin().token, form).status, 400);
}

TEST(PeopleAdministration, HasSettingsThatTheOperatorMayHaveFixed) {
  const Answer settings = api().get(kAuthConfig, admin().token);
  EXPECT_EQ(settings.json().at("DEFAULT_USER_ROLE"), "user");
  EXPECT_EQ(api().post(kAuthConfig, admin().token, {{"DEFAULT_USER_ROLE", "pending"}}).status, 409);
  EXPECT_EQ(api().post(kAuthConfig, admin().token, {{"ENABLE_SIGNUP", "no"}}).status, 422);
  EXPECT_EQ(api().get("/api/v1/auths/admin/details", somebody().token).json().at("email"),
            json::value(admin().email));
  const Setting hidden("SHOW_ADMIN_DETAILS", false);
  EXPECT_EQ(api().get("/api/v1/auths/admin/details", somebody().token).status, 400);
}

TEST(Users, AreListedSearchedAndShown) {
  const Person ann = somebody();
  for (const char* path : {"/api/v1/users", "/api/v1/users/"}) {
    const Answer found = api().get(std::string(path) + "?query=" + ann.email, admin().token);
    EXPECT_EQ(found.json().at("total"), 1) << found.body;
    EXPECT_EQ(found.json().at("users").at(0).at("credit"), "100.0000");
    EXPECT_EQ(first_loc(api().get(std::string(path) + "?page=0", admin().token)), "query/page");
  }
  EXPECT_GE(api().get("/api/v1/users/all", admin().token).json().at("total").as_int64(), 2);
  EXPECT_EQ(api().get("/api/v1/users/" + ann.id, ann.token).json().at("name"), "Somebody");
  EXPECT_EQ(api().get("/api/v1/users/" + ann.id + "/active", ann.token).status, 200);
  EXPECT_TRUE(api().get("/api/v1/users/permissions", ann.token).json().at("features").is_object());
}

TEST(Users, HavePictures) {
  const Person ann = somebody();
  const std::string path = "/api/v1/users/" + ann.id + "/profile/image";
  EXPECT_EQ(api().get(path, ann.token).header("location"), "/user.png");
  const std::string picture =
      "data:image/"
      "png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+"
      "A8AAQUBAScY42YAAAAASUVORK5CYII=";
  ASSERT_EQ(
      api()
          .post("/api/v1/auths/update/profile", ann.token, {{"name", "Ann"}, {"profile_image_url", picture}})
          .status,
      200);
  EXPECT_EQ(api().get(path, ann.token).header("content-type"), "image/png");
}

TEST(Users, KeepTheirOwnDocuments) {
  const Person ann = somebody();
  for (const char* name : {"settings", "info"}) {
    const std::string path = std::string("/api/v1/users/user/") + name;
    EXPECT_EQ(api().post(path + "/update", ann.token, {{"ui", {{"theme", "dark"}}}}).status, 200);
    EXPECT_EQ(api().get(path, ann.token).json().at("ui").at("theme"), "dark");
    EXPECT_EQ(api().get(path, somebody().token).json().as_object().size(), 0u);
  }
}

TEST(Users, AreChangedByAdminsWithinLimits) {
  const Person ann = somebody();
  const auto update = [](const std::string& id, json::object changes, const std::string& token) {
    json::object form{{"role", "user"},
                      {"name", "Ann"},
                      {"email", "ann.new@example.org"},
                      {"profile_image_url", "/user.png"}};
    for (auto& [name, value] : changes) form[name] = value;
    return api().post("/api/v1/users/" + id + "/update", token, form);
  };
  const Answer changed = update(ann.id, {{"credit", 12.5}}, admin().token);
  EXPECT_EQ(changed.json().at("credit"), "12.5000") << changed.body;
  EXPECT_EQ(update(ann.id, {{"email", admin().email}}, admin().token).status, 400);
  EXPECT_EQ(update("01a20ae7-f8e7-7352-9159-d79c3a12e5c4", {}, admin().token).status, 404);
  EXPECT_EQ(update(ann.id, {{"role", "king"}}, admin().token).status, 422);
  const Person deputy = somebody("admin");
  EXPECT_EQ(update(admin().id, {{"role", "user"}}, deputy.token).status, 403)
      << "the first admin is protected";
}

TEST(Users, AreGivenCreditsExactly) {
  const Person ann = somebody();
  const std::string path = "/api/v1/users/" + ann.id + "/credit";
  EXPECT_EQ(api().put(path, admin().token, {{"amount", 0.125}}).status, 204);
  EXPECT_EQ(balance(ann), 100.125);
  EXPECT_EQ(api().put(path, admin().token, {{"amount", "-100"}}).status, 204);
  EXPECT_EQ(api().put(path, admin().token, {{"amount", -1}}).status, 402);
  EXPECT_EQ(balance(ann), 0.125);
  EXPECT_EQ(api().put(path, admin().token, json::object{}).status, 400);
  EXPECT_EQ(api().put(path, admin().token, {{"amount", 0.0001}}).status, 422);
  EXPECT_EQ(api().put("/api/v1/users/nobody/credit", admin().token, {{"amount", 1}}).status, 404);
}

TEST(Users, AreDeletedButNotTheAdminThemselves) {
  const Person ann = somebody();
  EXPECT_EQ(api().del("/api/v1/users/" + admin().id, admin().token).status, 403);
  EXPECT_EQ(api().del("/api/v1/users/" + ann.id, admin().token).json(), true);
  EXPECT_EQ(api().get("/api/v1/auths/", ann.token).status, 401);
  EXPECT_EQ(sign_in(ann.email, kPassword).status, 400);
}

}  // namespace
}  // namespace fluxgate::integration

#include "people_fixture.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;

struct UserRoutes : PeopleTest {
  void SetUp() override {
    PeopleTest::SetUp();
    ada_ = sign_up("ada@example.org");
    bob_ = sign_up("bob@example.org");
  }
  json::object form_of(const Person& person) {
    const auto user = run(identity_->user(person.id));
    return {{"role", json::string(user->role == identity::Role::admin ? "admin" : "user")},
            {"name", user->name},
            {"email", user->email},
            {"profile_image_url", user->profile_image_url}};
  }
  Credits balance(const Person& person) {
    return *database_->read_now([&](db::Tx& tx) { return spendable(tx, person.id); });
  }
  Person ada_, bob_;
};

TEST_F(UserRoutes, ListIsForAdminsAndHoldsNoSecrets) {
  EXPECT_EQ(send("GET", "/api/v1/users/", bob_.token).status, 403);
  send("POST", "/api/v1/auths/api_key", bob_.token);
  database_->write_now([](db::Tx& tx) {
    tx.exec("UPDATE \"user\" SET api_key = 'sk-imported', oauth_sub = 'x@y' WHERE email LIKE 'ada%'");
  });
  const auto response = send("GET", "/api/v1/users/", ada_.token);
  const auto body = json(response);
  EXPECT_EQ(body.at("total"), 2);
  EXPECT_EQ(body.at("users").at(0).at("credit"), "100.0000");
  EXPECT_EQ(body.at("users").at(0).at("api_key"), nullptr);
  for (const char* secret : {"sk-", "x@y", "$argon2"})
    EXPECT_EQ(text(response).find(secret), std::string::npos);
}

TEST_F(UserRoutes, ListIsSearchedOrderedAndPaged) {
  FakeRequest request("GET", "/api/v1/users/");
  request.headers["authorization"] = "Bearer " + ada_.token;
  request.queries = {{"query", "BOB"}};
  EXPECT_EQ(json(send(request)).at("total"), 1);
  request.queries = {{"order_by", "email"}, {"direction", "asc"}};
  EXPECT_EQ(json(send(request)).at("users").at(0).at("email"), "ada@example.org");
  request.queries = {{"page", "2"}};
  EXPECT_EQ(json(send(request)).at("users").as_array().size(), 0u);
  EXPECT_EQ(json(send(request)).at("total"), 2);
  for (const auto& [name, value] : {std::pair("page", "0"), std::pair("order_by", "password"),
                                    std::pair("query", std::string(201, 'x').c_str())}) {
    request.queries = {{name, value}};
    EXPECT_EQ(send(request).status, 422) << name;
  }
}

TEST_F(UserRoutes, AllIsAShortList) {
  const auto body = json(send("GET", "/api/v1/users/all", ada_.token));
  EXPECT_EQ(body.at("users").as_array().size(), 2u);
  EXPECT_EQ(body.at("users").at(0).as_object().size(), 4u);
  EXPECT_EQ(send("GET", "/api/v1/users/all", bob_.token).status, 403);
}

TEST_F(UserRoutes, MembersSeeOfEachOtherANameAndAPicture) {
  const auto body = json(send("GET", "/api/v1/users/" + ada_.id, bob_.token));
  EXPECT_EQ(json::serialize(body), R"({"name":"Someone","profile_image_url":"/user.png","active":true})");
  EXPECT_EQ(send("GET", "/api/v1/users/nobody", bob_.token).status, 404);
  clock_.advance(181'000);
  EXPECT_EQ(json(send("GET", "/api/v1/users/" + ada_.id + "/active", bob_.token)).at("active"), false);
}

TEST_F(UserRoutes, PicturesAreServedOrPointedTo) {
  const std::string path = "/api/v1/users/" + ada_.id + "/profile/image";
  EXPECT_EQ(header(send("GET", path, bob_.token), "Location"), "/user.png");
  const auto set = [&](const std::string& url) {
    database_->write_now([url](db::Tx& tx) { tx.exec("UPDATE \"user\" SET profile_image_url = $1", {url}); });
  };
  set("data:image/png;base64,iVBORw0KGgo=");
  const auto picture = send("GET", path, bob_.token);
  EXPECT_EQ(header(picture, "Content-Type"), "image/png");
  EXPECT_TRUE(text(picture).starts_with("\x89PNG"));
  for (const char* bad : {"data:text/html;base64,PGI+", "javascript:alert(1)", "//evil.example/x"}) {
    set(bad);
    EXPECT_EQ(header(send("GET", path, bob_.token), "Location"), "/user.png") << bad;
  }
}

TEST_F(UserRoutes, UpdateChangesRoleNameEmailPasswordAndCredit) {
  auto form = form_of(bob_);
  form["name"] = "Bob B.";
  form["role"] = "pending";
  form["credit"] = 12.5;
  const auto response = send("POST", "/api/v1/users/" + bob_.id + "/update", ada_.token, form);
  ASSERT_EQ(response.status, 200) << text(response);
  EXPECT_EQ(json(response).at("credit"), "12.5000");
  EXPECT_EQ(balance(bob_), *Credits::parse("12.5"));
  EXPECT_EQ(send("GET", "/api/v1/auths/", bob_.token).status, 401);  // the role changed
  form["email"] = "ada@example.org";
  EXPECT_EQ(send("POST", "/api/v1/users/" + bob_.id + "/update", ada_.token, form).status, 400);
  form["role"] = "emperor";
  EXPECT_EQ(send("POST", "/api/v1/users/" + bob_.id + "/update", ada_.token, form).status, 422);
  EXPECT_EQ(send("POST", "/api/v1/users/nobody/update", ada_.token, form_of(bob_)).status, 404);
}

TEST_F(UserRoutes, FirstAdminIsProtected) {
  auto promoted = form_of(bob_);
  promoted["role"] = "admin";
  ASSERT_EQ(send("POST", "/api/v1/users/" + bob_.id + "/update", ada_.token, promoted).status, 200);
  const auto session = run(identity_->sign_in("bob@example.org", "correct horse", ""));
  EXPECT_EQ(send("POST", "/api/v1/users/" + ada_.id + "/update", session->token, form_of(ada_)).status, 403);
  EXPECT_EQ(send("DELETE", "/api/v1/users/" + ada_.id, session->token).status, 403);
  EXPECT_EQ(send("DELETE", "/api/v1/users/" + ada_.id, ada_.token).status, 403);
}

TEST_F(UserRoutes, CreditIsAddedOrSet) {
  const std::string path = "/api/v1/users/" + bob_.id + "/credit";
  EXPECT_EQ(send("PUT", path, ada_.token, {{"amount", 25}}).status, 204);
  EXPECT_EQ(balance(bob_), Credits::whole(125));
  EXPECT_EQ(send("PUT", path, ada_.token, {{"amount", 1}, {"credit", "7.125"}}).status, 204);
  EXPECT_EQ(balance(bob_), *Credits::parse("7.125"));
  EXPECT_EQ(send("PUT", path, ada_.token, {{"amount", -7}}).status, 204);
  EXPECT_EQ(send("PUT", path, ada_.token, {{"amount", -7}}).status, 402);
  EXPECT_EQ(send("PUT", path, ada_.token, json::object{}).status, 400);
  for (const json::value& bad :
       std::initializer_list<json::value>{0.0001, -1, 1e30, "x", true, json::array{}})
    EXPECT_EQ(send("PUT", path, ada_.token, {{"credit", bad}}).status, 422) << json::serialize(bad);
  EXPECT_EQ(send("PUT", "/api/v1/users/nobody/credit", ada_.token, {{"amount", 1}}).status, 404);
  EXPECT_EQ(send("PUT", path, bob_.token, {{"amount", 1}}).status, 403);
  EXPECT_EQ(balance(bob_), *Credits::parse("0.125"));
  EXPECT_TRUE(database_->read_now([](db::Tx& tx) { return credits::audit(tx); }).empty());
}

TEST_F(UserRoutes, CreditChangesReachTheUsersPages) {
  send("PUT", "/api/v1/users/" + bob_.id + "/credit", ada_.token, {{"amount", 25}});
  const auto page = database_->read_now([&](db::Tx& tx) { return notify::read_since(tx, bob_.id, 0, 10); });
  ASSERT_EQ(page.events.size(), 1u);
  EXPECT_EQ(page.events[0].type, "credits.changed");
  EXPECT_EQ(json::parse(page.events[0].data).at("balance").to_number<double>(), 125.0);
}

TEST_F(UserRoutes, DeletedUsersAreGone) {
  EXPECT_EQ(send("DELETE", "/api/v1/users/" + bob_.id, bob_.token).status, 403);
  EXPECT_EQ(text(send("DELETE", "/api/v1/users/" + bob_.id, ada_.token)), "true");
  EXPECT_EQ(send("GET", "/api/v1/auths/", bob_.token).status, 401);
  EXPECT_EQ(send("DELETE", "/api/v1/users/" + bob_.id, ada_.token).status, 404);
}

TEST_F(UserRoutes, SettingsAreTheCallersOwnAndMerged) {
  EXPECT_EQ(text(send("GET", "/api/v1/users/user/settings", bob_.token)), "{}");
  send("POST", "/api/v1/users/user/settings/update", bob_.token, {{"ui", {{"theme", "dark"}}}});
  const auto merged = json(send("POST", "/api/v1/users/user/settings/update", bob_.token, {{"more", 1}}));
  EXPECT_EQ(merged.at("ui").at("theme"), "dark");
  EXPECT_EQ(text(send("GET", "/api/v1/users/user/settings", ada_.token)), "{}");
  EXPECT_EQ(
      send("POST", "/api/v1/users/user/info/update", bob_.token, {{"x", std::string(300'000, 'x')}}).status,
      413);
}

}  // namespace
}  // namespace fluxgate::api

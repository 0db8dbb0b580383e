// The write closures about people and what administrators set, failing at each of their statements in turn. Called as
// the product calls them: by their routes, the console, the services.
#include "identity/passwords.h"
#include "notify/alerts.h"
#include "statements.h"

namespace fluxgate::closures {
namespace {

namespace json = boost::json;

using PeopleStatements = Statements;

TEST_P(PeopleStatements, OfAccounts) {
  const json::object form{{"name", "Ann"}, {"email", "ann@example.org"}, {"password", kPassword}};
  request_fails("first sign-up", [&] { return house.send("POST", "/api/v1/auths/signup", "", form); });
  EXPECT_EQ(last.body.at("role"), "admin");
  const Person ann{made_id(), "ann@example.org", std::string(last.body.at("token").as_string())};
  json::object next = form;
  next["email"] = "bob@example.org";
  request_fails("sign-up", [&] { return house.send("POST", "/api/v1/auths/signup", "", next); });
  Person bob{made_id(), "bob@example.org", std::string(last.body.at("token").as_string())};
  next["email"] = "cem@example.org";
  next["role"] = "user";
  request_fails("an admin adds a user", [&] { return house.send("POST", "/api/v1/auths/add", ann.token, next); });
  const std::string cem = made_id();
  request_fails("profile", [&] {
    return house.send("POST", "/api/v1/auths/update/profile", bob.token, {{"name", "Robert"}, {"profile_image_url", "/user.png"}});
  });
  request_fails("an admin changes a user", [&] {
    return house.send("POST", "/api/v1/users/" + bob.id + "/update", ann.token,
                      {{"name", "Bob"}, {"email", "robert@example.org"}, {"profile_image_url", "/user.png"}, {"role", "user"},
                       {"password", "another horse"}});
  });
  EXPECT_EQ(house.send("GET", "/api/v1/auths", bob.token).status, 401) << "a new password ends tokens";
  last = house.send("POST", "/api/v1/auths/signin", "", {{"email", "robert@example.org"}, {"password", "another horse"}});
  bob.token = last.body.at("token").as_string();
  request_fails("password", [&] {
    return house.send("POST", "/api/v1/auths/update/password", bob.token, {{"password", "another horse"}, {"new_password", kPassword}});
  });
  request_fails("credit set", [&] { return house.send("PUT", "/api/v1/users/" + cem + "/credit", ann.token, {{"credit", 5}}); });
  request_fails("credit added", [&] { return house.send("PUT", "/api/v1/users/" + cem + "/credit", ann.token, {{"amount", 7}}); });
  house.write([&](db::Tx& tx) {
    tx.exec("UPDATE auth SET password = $1 WHERE id = $2",
            {identity::hash_password(kPassword, identity::HashScheme::argon2id, {2, 8192, 4}), bob.id});
  });
  request_fails("a hash of other costs is replaced", [&] {
    return house.send("POST", "/api/v1/auths/signin", "", {{"email", "robert@example.org"}, {"password", kPassword}});
  });
  request_fails("a user is deleted", [&] { return house.send("DELETE", "/api/v1/users/" + cem, ann.token); });
  work_fails("activity", [&]() -> awaitable<void> {
    house.clock.advance(60'000);
    static_cast<void>(co_await house.identity->authenticate(ann.token, "/"));
    co_await house.identity->flush_activity();
  });

  const auto by_console = [&](const std::string& name, const std::function<bool(identity::Console&)>& act) {
    at_every_statement(name, [&] {
      auto console = house.console();
      try {
        return act(console);
      } catch (const db::Failure&) {
        return false;
      }
    });
  };
  by_console("the console adds a user", [](auto& c) { return c.add({"Dan", "dan@example.org", kPassword, ""}, std::nullopt).has_value(); });
  by_console("the console sets a password", [](auto& c) { return c.set_password("dan@example.org", "third horse!").has_value(); });
  by_console("the console sets a role", [](auto& c) { return c.set_role("dan@example.org", identity::Role::admin).has_value(); });
}

TEST_P(PeopleStatements, OfKeysAndDocumentsAndSettings) {
  const Person ann = house.sign_up("ann@example.org");
  request_fails("default key", [&] { return house.send("POST", "/api/v1/auths/api_key", ann.token, json::object()); });
  request_fails("default key again", [&] { return house.send("POST", "/api/v1/auths/api_key", ann.token, json::object()); });
  request_fails("default key deleted", [&] { return house.send("DELETE", "/api/v1/auths/api_key", ann.token); });
  request_fails("key", [&] { return house.send("POST", "/api/v1/auths/api_keys", ann.token, {{"name", "laptop"}}); });
  const std::string key = made_id();
  request_fails("key deleted", [&] { return house.send("DELETE", "/api/v1/auths/api_keys/" + key, ann.token); });
  request_fails("settings", [&] { return house.send("POST", "/api/v1/users/user/settings/update", ann.token, {{"ui", {{"dark", true}}}}); });
  request_fails("info", [&] { return house.send("POST", "/api/v1/users/user/info/update", ann.token, {{"city", "Berlin"}}); });

  json::value config = house.send("GET", "/api/v1/auths/admin/config", ann.token).body;
  config.as_object()["JWT_EXPIRES_IN"] = "2w";
  request_fails("admin's settings", [&] { return house.send("POST", "/api/v1/auths/admin/config", ann.token, config); });
  for (const char* path : {"/api/v1/admin/scheduling", "/api/v1/admin/result-cache", "/api/v1/admin/retention"})
    for (int time = 0; time < 2; ++time) {  // made, then changed
      const json::value rules = house.send("GET", path, ann.token).body;
      request_fails(path, [&] { return house.send("PUT", path, ann.token, rules); });
    }
}

TEST_P(PeopleStatements, OfUpstreamAccountsAndAlerts) {
  const Person ann = house.sign_up("ann@example.org");
  request_fails("the provider's settings", [&] {
    return house.send("POST", "/api/v1/flux/config", ann.token, {{"api_key", "a-key"}, {"timeout", 120}, {"default_model", kModel}});
  });
  request_fails("the same in the other shape", [&] {
    return house.send("POST", "/api/v1/flux/admin/config", ann.token, {{"modelCredits", {{kModel, 7.125}}}});
  });
  const std::string path = "/api/v1/admin/upstream-accounts";
  request_fails("an account", [&] {
    return house.send("POST", path, ann.token, {{"name", "second"}, {"base_url", "https://queue.example"}, {"key", "k"}});
  });
  const std::string id = made_id();
  request_fails("a changed account", [&] { return house.send("PUT", path + "/" + id, ann.token, {{"rev", 1}, {"weight", 5}}); });
  closure_fails("an account that is refused", [&](db::Tx& tx) {
    house.accounts.take_out(tx, id, "no balance", "01a20ae7-f8e7-7352-9159-d79c3a12e5c4", now());
  });
  const auto alerts = house.send("GET", "/api/v1/admin/alerts", ann.token);
  ASSERT_EQ(alerts.body.at("data").as_array().size(), 1u);
  const std::string alert(alerts.body.at("data").at(0).at("id").as_string());
  request_fails("an alert that is resolved", [&] { return house.send("POST", "/api/v1/admin/alerts/" + alert + "/resolve", ann.token); });
  closure_fails("a resting account", [&](db::Tx& tx) {
    notify::raise(tx, "01a20ae7-f8e7-7352-9159-d79c3a12e5c5", "account_resting", id, {"It rests.", "休息中。"}, now());
  });
  closure_fails("a rested account", [&](db::Tx& tx) { notify::resolve(tx, "account_resting", id, now()); });
  request_fails("a removed account", [&] { return house.send("DELETE", path + "/" + id, ann.token); });
}

FLUX_ON_BOTH_ENGINES(PeopleStatements);

}  // namespace
}  // namespace fluxgate::closures

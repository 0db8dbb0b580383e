// The write closures about people, their keys and what administrators set, sixty-four at once, on both engines: what has
// to be unique is.
#include "base/ids.h"
#include "identity/access_keys.h"
#include "notify/alerts.h"
#include "side_by_side.h"

namespace fluxgate::closures {
namespace {

namespace json = boost::json;

using PeopleSideBySide = SideBySide;

TEST_P(PeopleSideBySide, FirstSignUpsMakeOneAdministrator) {
  const auto made = side_by_side(kSideBySide, [&](int i) { return house.sign_up(fmt::format("user{}@example.org", i)).id; });
  EXPECT_EQ((std::set(made.begin(), made.end()).size()), 64u);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM \"user\" WHERE role = 'admin'"), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_credit_account WHERE balance = $1", {kOpening}), 64);
}

TEST_P(PeopleSideBySide, SignUpsWithOneAddressMakeOneAccount) {
  const json::object form{{"name", "Ann"}, {"email", "ann@example.org"}, {"password", kPassword}};
  const auto answers = statuses([&](int) { return house.send("POST", "/api/v1/auths/signup", "", form); });
  EXPECT_EQ(answers, (std::map<int, int>{{200, 1}, {400, 63}}));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM auth"), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_credit_entry WHERE kind = 'open'"), 1);
}

TEST_P(PeopleSideBySide, OneAddressIsGivenToOneUser) {
  const Person admin = house.sign_up("admin@example.org");
  std::vector<Person> people;
  for (int i = 0; i < 8; ++i) people.push_back(house.sign_up(fmt::format("user{}@example.org", i)));
  const auto answers = statuses([&](int i) {
    const Person& person = people[static_cast<std::size_t>(i) % people.size()];
    return house.send("POST", "/api/v1/users/" + person.id + "/update", admin.token,
                      {{"name", "Someone"}, {"email", "wanted@example.org"}, {"profile_image_url", "/user.png"}, {"role", "user"}});
  });
  EXPECT_EQ(answers.at(200), 8) << "of the one who won, each time";
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM \"user\" WHERE email = 'wanted@example.org'"), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM auth WHERE email = 'wanted@example.org'"), 1);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_once WHERE name LIKE 'email:%'"), 9);
}

TEST_P(PeopleSideBySide, AUserIsDeletedOnceAndLeavesNoKey) {
  const Person admin = house.sign_up("admin@example.org"), bob = house.sign_up("bob@example.org");
  const auto answers = side_by_side(kSideBySide, [&](int i) {
    if (i % 2 == 0) return house.send("POST", "/api/v1/auths/api_keys", bob.token, {{"name", fmt::format("key {}", i)}}).status;
    return -house.send("DELETE", "/api/v1/users/" + bob.id, admin.token).status;
  });
  EXPECT_EQ(std::ranges::count(answers, -200), 1);
  EXPECT_EQ(std::ranges::count(answers, -404), 31);
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_access_key WHERE user_id = $1", {bob.id}), 0);
}

TEST_P(PeopleSideBySide, KeysStayWithinTheirNumberAndOneIsTheDefault) {
  const Person ann = house.sign_up("ann@example.org");
  EXPECT_EQ(statuses([&](int) { return house.send("POST", "/api/v1/auths/api_key", ann.token, json::object()); }), (std::map<int, int>{{200, 64}}));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_access_key WHERE revoked_at IS NULL"), 1);
  for (int round = 0; round < 2; ++round)
    side_by_side(kSideBySide, [&](int i) {
      return house.send("POST", "/api/v1/auths/api_keys", ann.token, {{"name", fmt::format("key {} {}", round, i)}}).status;
    });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_access_key WHERE revoked_at IS NULL"), identity::kKeysPerUser);
}

TEST_P(PeopleSideBySide, DocumentsAndSettingsKeepWhatEverybodyWrote) {
  const Person ann = house.sign_up("ann@example.org");
  side_by_side(kSideBySide, [&](int i) {
    return house.send("POST", "/api/v1/users/user/settings/update", ann.token, {{fmt::format("member{}", i), i}}).status;
  });
  EXPECT_EQ(house.send("GET", "/api/v1/users/user/settings", ann.token).body.as_object().size(), 64u);

  const std::pair<const char*, json::value> members[] = {{"ENABLE_SIGNUP", true}, {"DEFAULT_USER_ROLE", "user"}, {"JWT_EXPIRES_IN", "2w"},
                                                         {"SHOW_ADMIN_DETAILS", false}};
  const json::object before = house.send("GET", "/api/v1/auths/admin/config", ann.token).body.as_object();
  side_by_side(kSideBySide, [&](int i) {
    json::object config = before;
    const auto& [name, value] = members[i % 4];
    config[name] = value;
    return house.send("POST", "/api/v1/auths/admin/config", ann.token, config).status;
  });
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM config"), 1);
  EXPECT_EQ(house.send("GET", "/api/v1/auths/admin/config", ann.token).status, 200);
}

TEST_P(PeopleSideBySide, SettingsWithARevisionAreSavedByOne) {
  const Person ann = house.sign_up("ann@example.org");
  for (const char* path : {"/api/v1/admin/scheduling", "/api/v1/admin/result-cache"})
    for (int time = 0; time < 2; ++time) {
      const json::value rules = house.send("GET", path, ann.token).body;
      EXPECT_EQ(statuses([&](int) { return house.send("PUT", path, ann.token, rules); }), (std::map<int, int>{{200, 1}, {409, 63}})) << path;
    }
}

TEST_P(PeopleSideBySide, UpstreamAccountsStayWithinTheirNumberAndChangeByRevision) {
  const Person ann = house.sign_up("ann@example.org");
  const std::string path = "/api/v1/admin/upstream-accounts";
  const json::object body{{"name", "one"}, {"base_url", "https://queue.example"}, {"key", "k"}};
  constexpr int kMost = 1'000, kRoom = 10;
  house.write([&](db::Tx& tx) {
    for (int i = 0; i < kMost - kRoom; ++i) {
      tasks::UpstreamAccount account;
      account.account = {fmt::format("account{}", i), "flux", "https://queue.example", "k", {}};
      house.accounts.save(tx, account, now());
    }
  });
  EXPECT_EQ(statuses([&](int) { return house.send("POST", path, ann.token, body); }), (std::map<int, int>{{201, kRoom}, {409, 64 - kRoom}}));
  const std::string id = house.read([](db::Tx& tx) {
    return tx.first("SELECT id FROM fg_upstream_account LIMIT 1", {}, [](const db::Row& row) { return row.str(0); }).value();
  });
  EXPECT_EQ(statuses([&](int i) { return house.send("PUT", path + "/" + id, ann.token, {{"rev", 1}, {"weight", i + 1}}); }),
            (std::map<int, int>{{200, 1}, {409, 63}}));
  side_by_side(kSideBySide, [&](int) {
    house.write([&, alert = new_id()](db::Tx& tx) { house.accounts.take_out(tx, id, "no balance", alert, now()); });
    return 0;
  });
  EXPECT_EQ(house.number("SELECT rev FROM fg_upstream_account WHERE id = $1", {id}), 3) << "it is taken out once";
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_alert"), 1);
  EXPECT_EQ(yes([&](int) { return house.send("DELETE", path + "/" + id, ann.token).status == 204; }), 1);
  const auto saved = statuses([&](int i) {
    return house.send("POST", "/api/v1/flux/config", ann.token, {{"api_key", "a-key"}, {"timeout", 100 + i}, {"default_model", kModel}});
  });
  EXPECT_EQ(saved, (std::map<int, int>{{200, 64}}));
  EXPECT_EQ(house.number("SELECT COUNT(*) FROM fg_upstream_account WHERE id = 'flux-default'"), 1);
}

TEST_P(PeopleSideBySide, AnAlertIsOpenOnceAndCounted) {
  house.sign_up("ann@example.org");
  const auto raise = [&](int i) {
    return house.write([&, id = new_id()](db::Tx& tx) {
      return notify::raise(tx, id, "account_out", i % 2 == 0 ? "a" : "b", {"It is out.", "已停用。"}, now());
    });
  };
  EXPECT_EQ(yes(raise), 2);
  EXPECT_EQ(house.number("SELECT SUM(count) FROM fg_alert"), 64) << "each of them is told";
  EXPECT_EQ(yes([&](int) { return house.write([&](db::Tx& tx) { return notify::resolve(tx, "account_out", "a", now()); }); }), 1);
}

FLUX_ON_BOTH_ENGINES(PeopleSideBySide);

}  // namespace
}  // namespace fluxgate::closures

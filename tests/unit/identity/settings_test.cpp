#include "identity/settings.h"

#include "identity/admin_settings.h"
#include "support.h"

namespace fluxgate::identity {
namespace {

namespace json = boost::json;

struct Settings : DatabaseTest {
  void store(const SettingChanges& changes) {
    database_->write_now([&](db::Tx& tx) { store_settings(tx, changes, clock_.now_ms()); });
  }
  json::object load() {
    return database_->read_now([](db::Tx& tx) { return load_settings(tx); });
  }
};

TEST_F(Settings, AreEmptyUntilSomethingIsSaved) {
  EXPECT_TRUE(load().empty());
  store({{"ui.enable_signup", false}});
  EXPECT_EQ(json::serialize(load()), R"({"ui":{"enable_signup":false}})");
}

TEST_F(Settings, KeepWhatOthersWroteBeside) {
  database_->write_now([](db::Tx& tx) {
    tx.exec(
        "INSERT INTO config (id, data, version) VALUES (3, $1, 0)",
        {R"({"version": 0, "ui": {"banners": ["hi"], "enable_signup": true}, "openai": {"api_keys": ["x"]}})"});
  });
  store({{"ui.enable_signup", false}, {"auth.jwt_expiry", "1w"}});
  const auto stored = load();
  EXPECT_EQ(setting_at(stored, "ui.banners")->as_array().size(), 1u);
  EXPECT_EQ(setting_at(stored, "openai.api_keys")->as_array().size(), 1u);
  EXPECT_EQ(*setting_at(stored, "ui.enable_signup"), false);
  EXPECT_EQ(*setting_at(stored, "auth.jwt_expiry"), "1w");
  EXPECT_EQ(database_->read_now([](db::Tx& tx) { return tx.number("SELECT COUNT(*) FROM config"); }), 1);
}

TEST_F(Settings, ThatCannotBeReadCountAsNotSetAndAreNotWrittenOver) {
  for (const char* unreadable : {"{broken", "[]", "7"}) {
    database_->write_now([&](db::Tx& tx) {
      tx.exec("DELETE FROM config");
      tx.exec("INSERT INTO config (id, data, version) VALUES (4, $1, 0)", {unreadable});
    });
    EXPECT_TRUE(load().empty());
    store({{"ui.enable_signup", false}});
    store({{"auth.jwt_expiry", "1w"}});
    EXPECT_EQ(json::serialize(load()), R"({"ui":{"enable_signup":false},"auth":{"jwt_expiry":"1w"}})");
    const auto kept = database_->read_now([](db::Tx& tx) {
      return tx.all("SELECT data FROM config WHERE id = 4", {}, [](const db::Row& row) { return row.str(0); });
    });
    EXPECT_EQ(kept, std::vector<std::string>{unreadable});
  }
}

TEST_F(Settings, ThatAreNullAreFilled) {
  database_->write_now([](db::Tx& tx) { tx.exec("INSERT INTO config (id, data, version) VALUES (1, 'null', 0)"); });
  store({{"ui.enable_signup", false}});
  EXPECT_EQ(database_->read_now([](db::Tx& tx) { return tx.number("SELECT COUNT(*) FROM config"); }), 1);
}

// Open WebUI since 2026: one row per path.
struct SettingRows : Settings {
  void SetUp() override {
    Settings::SetUp();
    database_->write_now([](db::Tx& tx) {
      tx.exec("ALTER TABLE config RENAME TO config_old");
      tx.exec("CREATE TABLE config (key TEXT PRIMARY KEY, value JSON NOT NULL, updated_at BIGINT NOT NULL)");
      tx.exec("INSERT INTO config VALUES ('ui.enable_signup', 'true', 1), ('ui.banners', '[\"hi\"]', 1), ('webui.url', 'null', 1)");
    });
  }
};

TEST_F(SettingRows, AreReadAsOneObject) {
  EXPECT_EQ(json::serialize(load()), R"({"ui":{"banners":["hi"],"enable_signup":true},"webui":{"url":null}})");
}

TEST_F(SettingRows, AreWrittenPathByPath) {
  store({{"ui.enable_signup", false}, {"auth.jwt_expiry", "1w"}});
  const auto stored = load();
  EXPECT_EQ(*setting_at(stored, "ui.enable_signup"), false);
  EXPECT_EQ(*setting_at(stored, "auth.jwt_expiry"), "1w");
  EXPECT_EQ(setting_at(stored, "ui.banners")->as_array().size(), 1u);
  const auto [rows, untouched] = database_->read_now([](db::Tx& tx) {
    return std::pair(tx.number("SELECT COUNT(*) FROM config"), tx.number("SELECT updated_at FROM config WHERE key = 'ui.banners'"));
  });
  EXPECT_EQ(rows, 4);
  EXPECT_EQ(untouched, 1);
}

TEST_F(SettingRows, ThatCannotBeReadCountAsNotSet) {
  database_->write_now([](db::Tx& tx) { tx.exec("UPDATE config SET value = '{broken' WHERE key = 'ui.enable_signup'"); });
  EXPECT_EQ(json::serialize(load()), R"({"ui":{"banners":["hi"]},"webui":{"url":null}})");
  store({{"ui.enable_signup", false}});
  EXPECT_EQ(*setting_at(load(), "ui.enable_signup"), false);
}

TEST(AdminSettings, GivenAtStartWinOverStoredOnesAndThoseOverDefaults) {
  json::object stored;
  set_setting(stored, "ui.default_user_role", "user");
  set_setting(stored, "ui.enable_signup", false);
  EXPECT_EQ(account_settings({}, {}).default_role, Role::pending);
  EXPECT_EQ(account_settings(stored, {}).default_role, Role::user);
  EXPECT_FALSE(account_settings(stored, {}).enable_signup);
  GivenSettings given;
  given.enable_signup = true;
  given.default_user_role = "admin";
  EXPECT_EQ(account_settings(stored, given).default_role, Role::admin);
  EXPECT_TRUE(account_settings(stored, given).enable_signup);
}

TEST(AdminSettings, OfTheWrongTypeInAnAdoptedRowFallBack) {
  json::object stored;
  set_setting(stored, "ui.default_user_role", "emperor");
  set_setting(stored, "ui.enable_signup", "yes");
  set_setting(stored, "auth.jwt_expiry", 7);
  const auto settings = account_settings(stored, {});
  EXPECT_EQ(settings.default_role, Role::pending);
  EXPECT_TRUE(settings.enable_signup);
  EXPECT_EQ(settings.session_lifetime, std::chrono::weeks{4});
}

TEST(AdminSettings, ReadDomainsAndKeyPathsFromCommaLists) {
  json::object stored;
  set_setting(stored, "ui.signup.email_domain_whitelist", "example.org, , example.com");
  set_setting(stored, "auth.api_key.endpoint_restrictions", true);
  set_setting(stored, "auth.api_key.allowed_endpoints", "/api/v1/flux,/v1/images");
  const auto settings = account_settings(stored, {});
  EXPECT_EQ(settings.email_domains, (std::vector<std::string>{"example.org", "example.com"}));
  EXPECT_EQ(*settings.key_paths, (std::vector<std::string>{"/api/v1/flux", "/v1/images"}));
}

TEST(AdminSettings, WantPendingAccountsWhereMailedCodesWereDemanded) {
  json::object stored;
  set_setting(stored, "ui.signup_verify.enabled", true);
  GivenSettings given;
  given.default_user_role = "user";
  EXPECT_EQ(account_settings(stored, given).default_role, Role::pending);
}

TEST(AdminSettings, ChangeOnlyWhatDiffers) {
  const auto changes =
      admin_changes({{"ENABLE_SIGNUP", true}, {"DEFAULT_USER_ROLE", "user"}, {"OTHER", 1}}, {}, {});
  ASSERT_TRUE(changes);
  ASSERT_EQ(changes->size(), 1u);
  EXPECT_EQ(changes->front().first, "ui.default_user_role");
}

TEST(AdminSettings, RefuseWrongValuesByName) {
  for (const json::object& wanted :
       {json::object{{"ENABLE_SIGNUP", "yes"}}, json::object{{"DEFAULT_USER_ROLE", "root"}},
        json::object{{"JWT_EXPIRES_IN", "soon"}}, json::object{{"WEBUI_URL", 7}},
        json::object{{"WEBUI_URL", std::string(10'001, 'x')}}}) {
    const auto changes = admin_changes(wanted, {}, {});
    ASSERT_FALSE(changes) << json::serialize(wanted);
    EXPECT_EQ(std::get<std::string>(changes.error().fields().front().loc.back()), wanted.begin()->key());
  }
}

TEST(AdminSettings, RefuseToChangeWhatWasGivenAtStart) {
  GivenSettings given;
  given.enable_signup = true;
  EXPECT_EQ(admin_changes({{"ENABLE_SIGNUP", false}}, {}, given).error().code(), "given_at_start");
  EXPECT_TRUE(admin_changes({{"ENABLE_SIGNUP", true}}, {}, given));
}

}  // namespace
}  // namespace fluxgate::identity

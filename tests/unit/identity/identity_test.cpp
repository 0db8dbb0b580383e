#include "identity/identity.h"

#include "support.h"

namespace fluxgate::identity {
namespace {

GivenSettings open_to_users() {
  GivenSettings given;
  given.default_user_role = "user";
  return given;
}

TEST_F(IdentityTest, FirstPersonToSignUpIsAdminAndLaterOnesHaveTheDefaultRole) {
  restart(open_to_users());
  EXPECT_EQ(sign_up("ada@example.org")->user.role, Role::admin);
  EXPECT_EQ(sign_up("bob@example.org")->user.role, Role::user);
  restart({});
  EXPECT_EQ(sign_up("eve@example.org")->user.role, Role::pending);
}

TEST_F(IdentityTest, SignUpGivesATokenThatWorksAtOnce) {
  const auto session = sign_up("Ada@Example.org");
  ASSERT_TRUE(session);
  EXPECT_EQ(session->user.email, "ada@example.org");
  const auto who = authenticate(session->token);
  ASSERT_TRUE(who);
  EXPECT_EQ(who->user_id, session->user.id);
  EXPECT_TRUE(who->is_admin());
}

TEST_F(IdentityTest, SignUpIsRefusedWithoutATraceWhereTheFormIsWrong) {
  EXPECT_EQ(sign_up("ada@example.org", "short").error().fields().front().type, "string_too_short");
  EXPECT_EQ(code_of(sign_up("no address")), "invalid_input");
  EXPECT_EQ(database_->read_now([](db::Tx& tx) { return count_users(tx); }), 0);
}

TEST_F(IdentityTest, SignUpWithATakenEmailIsRefused) {
  ASSERT_TRUE(sign_up("ada@example.org"));
  const auto second = sign_up("ADA@example.org");
  EXPECT_EQ(code_of(second), "email_taken");
  EXPECT_EQ(second.error().errc(), Errc::bad_request);
}

TEST_F(IdentityTest, SignUpIsOffWhenSwitchedOff) {
  GivenSettings given;
  given.enable_signup = false;
  restart(given);
  EXPECT_EQ(code_of(sign_up("ada@example.org")), "signup_disabled");
}

TEST_F(IdentityTest, SignUpIsOpenToTheListedDomainsOnly) {
  ASSERT_TRUE(run(identity_->set_admin_config({{"SIGNUP_EMAIL_DOMAIN_WHITELIST", "example.org"}})));
  EXPECT_TRUE(sign_up("ada@example.org"));
  EXPECT_EQ(code_of(sign_up("eve@sub.example.org.evil.com")), "email_domain");
}

TEST_F(IdentityTest, NewAccountsAreOpenedInTheSameTransaction) {
  hook_ = [](db::Tx& tx, const std::string& id, Millis now) {
    tx.exec("INSERT INTO fg_once (name, value, created_at) VALUES ($1, 'opened', $2)", {"hook:" + id, now});
    if (tx.number("SELECT COUNT(*) FROM \"user\"") > 1) throw db::Failure("no account for you");
  };
  restart({});
  const auto ada = sign_up("ada@example.org");
  ASSERT_TRUE(ada);
  EXPECT_EQ(database_->read_now([&](db::Tx& tx) {
    return tx.number("SELECT COUNT(*) FROM fg_once WHERE name = $1", {"hook:" + ada->user.id});
  }),
            1);
  EXPECT_THROW(sign_up("bob@example.org"), db::Failure);
  EXPECT_EQ(database_->read_now([](db::Tx& tx) { return count_users(tx); }), 1);
}

TEST_F(IdentityTest, SignInTakesTheRightPasswordOnly) {
  ASSERT_TRUE(sign_up("ada@example.org"));
  EXPECT_TRUE(sign_in(" ADA@example.org "));
  const auto wrong = sign_in("ada@example.org", "wrong horse");
  const auto unknown = sign_in("nobody@example.org", "wrong horse");
  EXPECT_EQ(code_of(wrong), "invalid_credentials");
  EXPECT_EQ(code_of(unknown), code_of(wrong));
  EXPECT_EQ(unknown.error().message(), wrong.error().message());
  EXPECT_EQ(code_of(sign_in(std::string(5'000, 'x'))), "invalid_credentials");
  EXPECT_EQ(code_of(sign_in("ada@example.org", std::string(5'000, 'x'))), "invalid_credentials");
}

TEST_F(IdentityTest, SignInIsSlowedDownAfterTenFailuresForAnyoneThere) {
  ASSERT_TRUE(sign_up("ada@example.org"));
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(code_of(sign_in("ada@example.org", "wrong horse")), "invalid_credentials");
  const auto refused = sign_in("ada@example.org");
  EXPECT_EQ(code_of(refused), "too_many_attempts");
  EXPECT_EQ(refused.error().retry_after_s(), 900);
  EXPECT_TRUE(run(identity_->sign_in("ada@example.org", "correct horse", "198.51.100.4")));
  clock_.advance(15 * 60'000);
  EXPECT_TRUE(sign_in("ada@example.org"));
}

TEST_F(IdentityTest, SignInReadsBcryptAndKeepsItWhereOpenWebUiSharesTheTable) {
  ASSERT_TRUE(sign_up("ada@example.org"));
  EXPECT_EQ(hash_scheme_of(*database_), HashScheme::argon2id);
  database_->write_now([](db::Tx& tx) {
    tx.exec("UPDATE auth SET password = $1",
            {hash_password("correct horse", HashScheme::bcrypt, cheap_hashes())});
  });
  EXPECT_EQ(hash_scheme_of(*database_), HashScheme::bcrypt);
  restart(open_to_users(), hash_scheme_of(*database_));
  EXPECT_TRUE(sign_in("ada@example.org"));
  ASSERT_TRUE(sign_up("bob@example.org"));
  const auto argon = database_->read_now(
      [](db::Tx& tx) { return tx.number("SELECT COUNT(*) FROM auth WHERE password NOT LIKE '$2b$%'"); });
  EXPECT_EQ(argon, 0);
  EXPECT_EQ(code_of(sign_up("eve@example.org", std::string(73, 'x'))), "invalid_input");
}

TEST_F(IdentityTest, SignInHashesAnewWhenTheCostChanged) {
  const auto ada = sign_up("ada@example.org");
  const std::string old = hash_password("correct horse", HashScheme::argon2id, {2, 16'384, 4});
  database_->write_now([&](db::Tx& tx) { tx.exec("UPDATE auth SET password = $1", {old}); });
  ASSERT_TRUE(sign_in("ada@example.org"));
  const auto stored =
      database_->read_now([](db::Tx& tx) { return *find_credentials_by_email(tx, "ada@example.org"); });
  EXPECT_NE(*stored.password_hash, old);
  EXPECT_FALSE(needs_rehash(*stored.password_hash, cheap_hashes()));
  EXPECT_EQ(stored.user.tokens_valid_after, 0);
  EXPECT_TRUE(sign_in("ada@example.org"));
}

TEST_F(IdentityTest, TokensEndWithTheirTime) {
  GivenSettings given;
  given.jwt_expires_in = "1h";
  restart(given);
  const auto session = sign_up("ada@example.org");
  EXPECT_EQ(*session->expires_at, clock_.now_ms() + 3'600'000);
  clock_.advance(3'599'000);
  EXPECT_TRUE(authenticate(session->token));
  clock_.advance(2'000);
  EXPECT_EQ(code_of(authenticate(session->token)), "session_expired");
  given.jwt_expires_in = "-1";
  restart(given);
  EXPECT_FALSE(sign_in("ada@example.org")->expires_at);
}

TEST_F(IdentityTest, NoTokenAndABadOneAreTwoErrors) {
  EXPECT_EQ(code_of(authenticate("")), "not_authenticated");
  EXPECT_EQ(code_of(authenticate("x.y.z")), "token_invalid");
  EXPECT_EQ(code_of(authenticate("sk-00000000000000000000000000000000")), "token_invalid");
}

TEST_F(IdentityTest, ChangingThePasswordEndsOlderTokensHereAtOnce) {
  const auto old = *sign_up("ada@example.org");
  ASSERT_TRUE(authenticate(old.token));
  EXPECT_EQ(code_of(run(identity_->change_password(old.user.id, "wrong horse", "battery staple"))),
            "wrong_password");
  const auto fresh = run(identity_->change_password(old.user.id, "correct horse", "battery staple"));
  ASSERT_TRUE(fresh);
  EXPECT_EQ(code_of(authenticate(old.token)), "session_expired");
  EXPECT_TRUE(authenticate(fresh->token));  // made in the same millisecond
  EXPECT_FALSE(sign_in("ada@example.org"));
  EXPECT_TRUE(sign_in("ada@example.org", "battery staple"));
}

TEST_F(IdentityTest, OfTwoChangesAtOnceThatKnowTheSamePasswordOneWins) {
  const auto ada = *sign_up("ada@example.org");
  boost::asio::io_context io;
  const auto changed = [&](std::string next) {
    return boost::asio::co_spawn(io, identity_->change_password(ada.user.id, "correct horse", std::move(next)), boost::asio::use_future);
  };
  auto one = changed("battery staple"), other = changed("paper clips");
  io.run();
  const auto first = one.get(), second = other.get();
  ASSERT_NE(first.has_value(), second.has_value());
  EXPECT_EQ(code_of(first ? second : first), "wrong_password");
  EXPECT_TRUE(sign_in("ada@example.org", first ? "battery staple" : "paper clips"));
}

TEST_F(IdentityTest, ChangesMadeOnAnotherNodeReachThisOneWithinFiveSeconds) {
  restart(open_to_users());
  ASSERT_TRUE(sign_up("ada@example.org"));
  const auto bob = *sign_up("bob@example.org");
  ASSERT_EQ(authenticate(bob.token)->role, Role::user);
  database_->write_now(
      [&](db::Tx& tx) { return change_user(tx, bob.user.id, {.role = Role::pending}, clock_.now_ms()); });
  clock_.advance(4'999);
  EXPECT_TRUE(authenticate(bob.token));
  clock_.advance(1);
  EXPECT_EQ(code_of(authenticate(bob.token)), "session_expired");
}

TEST_F(IdentityTest, RememberedTokensNeedNoDatabase) {
  const auto session = *sign_up("ada@example.org");
  EXPECT_FALSE(identity_->remembered(session.token, "/"));
  ASSERT_TRUE(authenticate(session.token));
  ASSERT_TRUE(identity_->remembered(session.token, "/"));
  EXPECT_EQ((*identity_->remembered(session.token, "/"))->user_id, session.user.id);
}

TEST_F(IdentityTest, TokensOfOpenWebUiWorkUntilTheAccountChanges) {
  const auto ada = *sign_up("ada@example.org");
  const std::string theirs = Tokens(kSecret).issue({ada.user.id, std::nullopt, std::nullopt, ""});
  EXPECT_TRUE(authenticate(theirs));
  ASSERT_TRUE(run(identity_->change_password(ada.user.id, "correct horse", "battery staple")));
  EXPECT_EQ(code_of(authenticate(theirs)), "session_expired");
}

TEST_F(IdentityTest, TokensOfDeletedUsersEnd) {
  restart(open_to_users());
  const auto admin = principal(*sign_up("ada@example.org"));
  const auto bob = *sign_up("bob@example.org");
  ASSERT_TRUE(authenticate(bob.token));
  EXPECT_TRUE(run(identity_->delete_user(admin, bob.user.id)));
  EXPECT_EQ(code_of(authenticate(bob.token)), "session_expired");
  EXPECT_FALSE(sign_in("bob@example.org"));
  EXPECT_EQ(code_of(run(identity_->delete_user(admin, bob.user.id))), "user_not_found");
  EXPECT_TRUE(sign_up("bob@example.org"));
}

TEST_F(IdentityTest, TheFirstAdminIsProtectedFromOthers) {
  restart(open_to_users());
  const auto first = principal(*sign_up("ada@example.org"));
  const auto second =
      principal(*run(identity_->add_user({"Bob", "bob@example.org", "correct horse", ""}, Role::admin)));
  EXPECT_EQ(code_of(run(identity_->update_user(second, first.user_id, {.name = "Fool"}))), "primary_admin");
  EXPECT_EQ(code_of(run(identity_->delete_user(second, first.user_id))), "primary_admin");
  EXPECT_EQ(code_of(run(identity_->update_user(first, first.user_id, {.role = Role::user}))),
            "primary_admin");
  EXPECT_EQ(code_of(run(identity_->delete_user(first, first.user_id))), "cannot_delete_self");
  EXPECT_TRUE(run(identity_->update_user(first, first.user_id, {.name = "Ada L.", .role = Role::admin})));
  EXPECT_TRUE(run(identity_->update_user(first, second.user_id, {.role = Role::user})));
}

TEST_F(IdentityTest, AdminsChangeWhatTheyNameAndLeaveImportedOdditiesAlone) {
  restart(open_to_users());
  const auto admin = principal(*sign_up("ada@example.org"));
  const auto bob = *sign_up("bob@example.org");
  exec(
      "UPDATE \"user\" SET email = '13800000000', profile_image_url = 'odd' WHERE name = 'Someone' AND email "
      "LIKE 'bob%'");
  const auto renamed = run(identity_->update_user(
      admin, bob.user.id,
      {.name = "Bob", .email = "13800000000", .password = "", .profile_image_url = "odd"}));
  ASSERT_TRUE(renamed);
  EXPECT_EQ(renamed->name, "Bob");
  EXPECT_EQ(renamed->email, "13800000000");
  EXPECT_TRUE(sign_in("13800000000"));
  EXPECT_EQ(code_of(run(identity_->update_user(admin, bob.user.id, {.email = "ada@example.org"}))),
            "email_taken");
  EXPECT_EQ(code_of(run(identity_->update_user(admin, bob.user.id, {.password = "short"}))), "invalid_input");
  ASSERT_TRUE(run(identity_->update_user(admin, bob.user.id, {.password = "battery staple"})));
  EXPECT_TRUE(sign_in("13800000000", "battery staple"));
  EXPECT_EQ(code_of(run(identity_->update_user(admin, "nobody", {}))), "user_not_found");
}

TEST_F(IdentityTest, AccessKeysWorkUntilReplacedOrDeleted) {
  const auto ada = sign_up("ada@example.org")->user;
  const auto first = *run(identity_->create_key(ada.id, "default", std::nullopt));
  EXPECT_EQ(authenticate(first.text)->user_id, ada.id);
  const auto second = *run(identity_->create_key(ada.id, "default", std::nullopt));
  EXPECT_EQ(code_of(authenticate(first.text)), "token_invalid");
  EXPECT_TRUE(authenticate(second.text));
  EXPECT_EQ(run(identity_->keys(ada.id))->keys.size(), 1u);
  EXPECT_TRUE(*run(identity_->delete_default_key(ada.id)));
  EXPECT_FALSE(*run(identity_->delete_default_key(ada.id)));
  EXPECT_EQ(code_of(authenticate(second.text)), "token_invalid");
}

TEST_F(IdentityTest, AccessKeysEndAtTheirTime) {
  const auto ada = sign_up("ada@example.org")->user;
  const auto key = *run(identity_->create_key(ada.id, "ci", clock_.now_ms() + 2'000));
  EXPECT_TRUE(authenticate(key.text));
  clock_.advance(2'000);
  EXPECT_EQ(code_of(authenticate(key.text)), "token_invalid");
  EXPECT_EQ(code_of(run(identity_->create_key(ada.id, "ci", clock_.now_ms()))), "invalid_input");
}

TEST_F(IdentityTest, KeysOfOthersCannotBeDeleted) {
  restart(open_to_users());
  const auto ada = sign_up("ada@example.org")->user;
  const auto bob = sign_up("bob@example.org")->user;
  const auto key = *run(identity_->create_key(ada.id, "ci", std::nullopt));
  EXPECT_FALSE(*run(identity_->delete_key(bob.id, key.key.id)));
  EXPECT_TRUE(authenticate(key.text));
  EXPECT_TRUE(*run(identity_->delete_key(ada.id, key.key.id)));
  EXPECT_FALSE(authenticate(key.text));
}

TEST_F(IdentityTest, ImportedKeysWorkUntilReplaced) {
  const auto ada = sign_up("ada@example.org")->user;
  exec("UPDATE \"user\" SET api_key = 'sk-11111111111111111111111111111111'");
  EXPECT_EQ(authenticate("sk-11111111111111111111111111111111")->user_id, ada.id);
  EXPECT_TRUE(run(identity_->keys(ada.id))->imported);
  ASSERT_TRUE(run(identity_->create_key(ada.id, "default", std::nullopt)));
  EXPECT_EQ(code_of(authenticate("sk-11111111111111111111111111111111")), "token_invalid");
}

// Open WebUI since the end of 2025; its migration may run while we serve.
TEST_F(IdentityTest, KeysInATableOfTheirOwnWorkUntilTheyExpireOrAreReplaced) {
  const auto ada = sign_up("ada@example.org")->user;
  exec("ALTER TABLE \"user\" RENAME TO user_before");
  exec("CREATE TABLE \"user\" AS SELECT id, name, email, role, profile_image_url, created_at, updated_at, last_active_at, settings, info "
       "FROM user_before");
  EXPECT_FALSE(authenticate("sk-11111111111111111111111111111111"));
  EXPECT_FALSE(run(identity_->keys(ada.id))->imported);
  exec("CREATE TABLE api_key (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, key TEXT NOT NULL UNIQUE, expires_at BIGINT)");
  const auto second = clock_.now_ms() / 1000;
  exec(fmt::format("INSERT INTO api_key VALUES ('a', '{0}', 'sk-22222222222222222222222222222222', NULL), "
                   "('b', '{0}', 'sk-33333333333333333333333333333333', {1}), ('c', '{0}', 'sk-44444444444444444444444444444444', {2})",
                   ada.id, second + 1, second));
  EXPECT_EQ(authenticate("sk-22222222222222222222222222222222")->user_id, ada.id);
  EXPECT_EQ(authenticate("sk-33333333333333333333333333333333")->user_id, ada.id);
  EXPECT_EQ(code_of(authenticate("sk-44444444444444444444444444444444")), "token_invalid");
  EXPECT_TRUE(run(identity_->keys(ada.id))->imported);
  ASSERT_TRUE(run(identity_->create_key(ada.id, "default", std::nullopt)));
  EXPECT_EQ(code_of(authenticate("sk-33333333333333333333333333333333")), "token_invalid");
  EXPECT_FALSE(run(identity_->keys(ada.id))->imported);
}

TEST_F(IdentityTest, KeysCanBeSwitchedOffOrConfinedToPaths) {
  const auto ada = sign_up("ada@example.org")->user;
  const auto key = *run(identity_->create_key(ada.id, "ci", std::nullopt));
  ASSERT_TRUE(run(identity_->set_admin_config({{"ENABLE_API_KEY_ENDPOINT_RESTRICTIONS", true},
                                               {"API_KEY_ALLOWED_ENDPOINTS", "/api/v1/flux/, /v1"}})));
  EXPECT_TRUE(authenticate(key.text, "/api/v1/flux/models"));
  EXPECT_TRUE(authenticate(key.text, "/v1"));
  EXPECT_EQ(code_of(authenticate(key.text, "/api/v1/users/")), "api_key_path");
  EXPECT_EQ(code_of(authenticate(key.text, "/api/v1/fluxes")), "api_key_path");
  ASSERT_TRUE(run(identity_->set_admin_config({{"ENABLE_API_KEY", false}})));
  EXPECT_EQ(code_of(authenticate(key.text, "/v1")), "api_key_disabled");
  EXPECT_EQ(code_of(run(identity_->create_key(ada.id, "ci", std::nullopt))), "api_key_disabled");
}

TEST_F(IdentityTest, ActivityIsWrittenTogetherAndOnlyWhenAsked) {
  const auto session = *sign_up("ada@example.org");
  const auto key = *run(identity_->create_key(session.user.id, "ci", std::nullopt));
  clock_.advance(60'000);
  ASSERT_TRUE(authenticate(session.token));
  ASSERT_TRUE(authenticate(key.text));
  EXPECT_EQ(run(identity_->user(session.user.id))->last_active_at, session.user.last_active_at);
  run(identity_->flush_activity());
  EXPECT_EQ(run(identity_->user(session.user.id))->last_active_at, clock_.now_ms() / 1000);
  EXPECT_EQ(run(identity_->keys(session.user.id))->keys.front().last_used_at, clock_.now_ms());
}

TEST_F(IdentityTest, FreeDocumentsAreMergedAndBounded) {
  const auto ada = sign_up("ada@example.org")->user;
  ASSERT_TRUE(run(identity_->merge_document(ada.id, UserDocument::info, {{"a", 1}, {"b", 2}})));
  const auto merged = run(identity_->merge_document(ada.id, UserDocument::info, {{"b", 3}}));
  EXPECT_EQ(boost::json::serialize(*merged), R"({"a":1,"b":3})");
  const auto refused =
      run(identity_->merge_document(ada.id, UserDocument::info, {{"c", std::string(300'000, 'x')}}));
  EXPECT_EQ(code_of(refused), "document_too_large");
  EXPECT_EQ(run(identity_->document(ada.id, UserDocument::info)).size(), 2u);
}

TEST_F(IdentityTest, ProfilesChangeWithoutEndingSessions) {
  const auto session = *sign_up("ada@example.org");
  const auto changed = run(identity_->update_profile(session.user.id, " Ada ", "https://example.org/a.png"));
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->name, "Ada");
  EXPECT_EQ(authenticate(session.token)->name, "Ada");
  EXPECT_EQ(code_of(run(identity_->update_profile(session.user.id, "", ""))), "invalid_input");
}

}  // namespace
}  // namespace fluxgate::identity

#include "identity/users.h"

#include <thread>

#include "identity/access_keys.h"
#include "support.h"

namespace fluxgate::identity {
namespace {

class Users : public DatabaseTest {
 protected:
  Result<User> add(const std::string& email, Role role = Role::user, FirstAdmin first = FirstAdmin::no) {
    const Millis now = clock_.now_ms();
    return database_->write_now([=, id = new_id()](db::Tx& tx) {
      return insert_user(tx, {id, "Name of " + email, email, "hash", "/user.png", role}, first, now);
    });
  }
  Result<User> change(const std::string& id, const UserChange& wanted) {
    return database_->write_now(
        [=, now = clock_.now_ms()](db::Tx& tx) { return change_user(tx, id, wanted, now); });
  }
  UserPage list(const UserQuery& query) {
    return database_->read_now([query](db::Tx& tx) { return list_users(tx, query); });
  }
};

TEST_F(Users, SigningUpSideBySideMakeExactlyOneAdmin) {
  constexpr int kPeople = 16;
  std::atomic<int> admins = 0, members = 0;
  {
    std::vector<std::jthread> people;
    for (int i = 0; i < kPeople; ++i)
      people.emplace_back([&, i] {
        const auto user = add(fmt::format("p{}@example.org", i), Role::pending, FirstAdmin::wins);
        ASSERT_TRUE(user);
        ++(user->role == Role::admin ? admins : members);
      });
  }
  EXPECT_EQ(admins, 1);
  EXPECT_EQ(members, kPeople - 1);
}

TEST_F(Users, WithOneEmailSideBySideMakeOneAccount) {
  std::atomic<int> made = 0, refused = 0;
  {
    std::vector<std::jthread> people;
    for (int i = 0; i < 16; ++i)
      people.emplace_back([&] {
        const auto user = add("same@example.org");
        ++(user ? made : refused);
        if (!user) {
          EXPECT_EQ(user.error().code(), "email_taken");
        }
      });
  }
  EXPECT_EQ(made, 1);
  EXPECT_EQ(refused, 15);
}

TEST_F(Users, InAnAdoptedDatabaseLeaveNoFirstAdminToWin) {
  ASSERT_TRUE(add("old@example.org", Role::user));
  EXPECT_EQ(add("new@example.org", Role::pending, FirstAdmin::wins)->role, Role::pending);
}

// Who tries a picture first, as the README begins, still becomes the administrator by signing up.
TEST_F(Users, AreWithoutAnAdminWhileOnlyTheCommandLineMadePictures) {
  ASSERT_TRUE(add(std::string(kLocalUser), Role::user));
  EXPECT_EQ(add("ann@example.org", Role::pending, FirstAdmin::wins)->role, Role::admin);
  EXPECT_EQ(add("bob@example.org", Role::pending, FirstAdmin::wins)->role, Role::pending);
}

TEST_F(Users, MayTakeAnEmailThatItsOwnerGaveUp) {
  const auto ada = add("ada@example.org");
  ASSERT_FALSE(add("ada@example.org"));
  ASSERT_TRUE(change(ada->id, {.email = "ada@example.com"}));
  EXPECT_TRUE(add("ada@example.org"));
  EXPECT_FALSE(change(ada->id, {.email = "ada@example.org"}));
}

TEST_F(Users, MayTakeAnEmailThatOpenWebUiRemoved) {
  const auto ada = add("ada@example.org");
  database_->write_now([id = ada->id](db::Tx& tx) { tx.exec("DELETE FROM \"user\" WHERE id = $1", {id}); });
  EXPECT_TRUE(add("ada@example.org"));
}

// In old databases some are stored as they were typed.
TEST_F(Users, AreFoundByTheirAddressHoweverItIsStored) {
  const auto ann = add("ann@example.org"), bob = add("bob@example.org"), younger = add("b.ob@example.org");
  const auto stored = [&](const std::string& id, const std::string& email) {
    database_->write_now([=](db::Tx& tx) {
      tx.exec("UPDATE \"user\" SET email = $1 WHERE id = $2", {email, id});
      tx.exec("UPDATE auth SET email = $1 WHERE id = $2", {email, id});
    });
  };
  const auto found = [&](const std::string& email) {
    return database_->read_now([=](db::Tx& tx) {
      const auto user = find_user_by_email(tx, email);
      const auto credentials = find_credentials_by_email(tx, email);
      EXPECT_EQ(user ? user->id : "", credentials ? credentials->user.id : "");
      return user ? user->id : "";
    });
  };
  stored(ann->id, " Ann@Example.org ");
  EXPECT_EQ(found("ann@example.org"), ann->id);
  EXPECT_EQ(found("an@example.org"), "");
  EXPECT_EQ(add("ann@example.org").error().code(), "email_taken");
  EXPECT_EQ(change(bob->id, {.email = "ann@example.org"}).error().code(), "email_taken");
  EXPECT_TRUE(change(ann->id, {.email = "ann@example.org"})) << "its own, put right";

  stored(bob->id, "Carol@example.org");
  stored(younger->id, "CAROL@example.org");
  database_->write_now([&](db::Tx& tx) { tx.exec("UPDATE \"user\" SET created_at = created_at + 10 WHERE id = $1", {younger->id}); });
  EXPECT_EQ(found("carol@example.org"), bob->id) << "the oldest";
  stored(younger->id, "carol@example.org");
  EXPECT_EQ(found("carol@example.org"), younger->id) << "the one that is stored just so";
  const std::string plan = database_->read_now([](db::Tx& tx) {
    std::string text;
    tx.each("EXPLAIN QUERY PLAN SELECT id FROM \"user\" u WHERE (u.email = $1 OR LOWER(TRIM(u.email)) = $1)", {"a"},
            [&](const db::Row& row) { text += row.str(3) + "; "; });
    return text;
  });
  EXPECT_NE(plan.find("fg_user_address"), std::string::npos) << plan;
}

TEST_F(Users, WhoseAccountChangesLoseTheirTokens) {
  const auto ada = add("ada@example.org");
  EXPECT_EQ(ada->tokens_valid_after, 0);
  EXPECT_EQ(change(ada->id, {.name = "Ada L."})->tokens_valid_after, 0);
  EXPECT_EQ(change(ada->id, {.role = Role::user})->tokens_valid_after, 0);  // no change
  const auto promoted = change(ada->id, {.role = Role::admin});
  EXPECT_EQ(promoted->tokens_valid_after, clock_.now_ms() + 1);
  const auto moved = change(ada->id, {.email = "a@example.org"});
  EXPECT_GT(moved->tokens_valid_after, promoted->tokens_valid_after);  // grows within one millisecond too
  clock_.advance(-5'000);
  EXPECT_GT(change(ada->id, {.password_hash = "x"})->tokens_valid_after, moved->tokens_valid_after);
}

TEST_F(Users, AreFoundByPartOfNameOrEmailInAnyCase) {
  for (const char* email : {"ada@example.org", "bob@example.org", "100%@example.org"})
    ASSERT_TRUE(add(email));
  EXPECT_EQ(list({.text = "ADA"}).total, 1);
  EXPECT_EQ(list({.text = "name of"}).total, 3);
  EXPECT_EQ(list({.text = "%"}).total, 1);
  EXPECT_EQ(list({.text = "_"}).total, 0);
  EXPECT_EQ(list({.text = "' OR 1=1 --"}).total, 0);
}

TEST_F(Users, AreListedInOrderAndPages) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(add(fmt::format("u{}@example.org", i)));
  const auto page = list({.order_by = "email", .ascending = true, .offset = 2, .limit = 2});
  EXPECT_EQ(page.total, 5);
  ASSERT_EQ(page.users.size(), 2u);
  EXPECT_EQ(page.users[0].email, "u2@example.org");
  EXPECT_EQ(list({.order_by = "email"}).users.front().email, "u4@example.org");
  EXPECT_FALSE(is_user_order("password"));
}

TEST_F(Users, WithAnUnknownRoleInTheTableArePending) {
  const auto ada = add("ada@example.org");
  database_->write_now([](db::Tx& tx) { tx.exec("UPDATE \"user\" SET role = 'root'"); });
  EXPECT_EQ(database_->read_now([&](db::Tx& tx) { return find_user(tx, ada->id)->role; }), Role::pending);
}

TEST_F(Users, WhoAreInactiveHaveNoPassword) {
  ASSERT_TRUE(add("ada@example.org"));
  const auto hash = [this] {
    return database_->read_now(
        [](db::Tx& tx) { return find_credentials_by_email(tx, "ada@example.org")->password_hash; });
  };
  EXPECT_EQ(hash(), "hash");
  database_->write_now([](db::Tx& tx) { tx.exec("UPDATE auth SET active = FALSE"); });
  EXPECT_EQ(hash(), std::nullopt);
}

TEST_F(Users, KeepFreeDocumentsWhereNullAndTextNullMeanNothing) {
  const auto ada = add("ada@example.org");
  const auto load = [&] {
    return database_->read_now(
        [&](db::Tx& tx) { return load_document(tx, ada->id, UserDocument::settings); });
  };
  EXPECT_TRUE(load().empty());
  database_->write_now([](db::Tx& tx) { tx.exec("UPDATE \"user\" SET settings = 'null'"); });
  EXPECT_TRUE(load().empty());
  database_->write_now([&](db::Tx& tx) {
    store_document(tx, ada->id, UserDocument::settings, {{"ui", {{"theme", "dark"}}}});
  });
  EXPECT_EQ(load().at("ui").at("theme"), "dark");
}

TEST_F(Users, MayHaveTwentyKeysAndNoMore) {
  const auto ada = add("ada@example.org");
  const auto insert = [&](std::string_view key_name) {
    return database_->write_now([fresh = make_key(key_name, clock_.now_ms()), id = ada->id](db::Tx& tx) {
      return insert_key(tx, id, fresh);
    });
  };
  for (int i = 0; i < kKeysPerUser; ++i) EXPECT_TRUE(insert(fmt::format("k{}", i))) << i;
  EXPECT_EQ(insert("one more").error().code(), "too_many_keys");
}

TEST_F(Users, HaveKeysThatAreStoredOnlyAsHashes) {
  const auto ada = add("ada@example.org");
  const auto fresh = make_key("laptop", clock_.now_ms());
  EXPECT_EQ(fresh.text.size(), 35u);
  EXPECT_TRUE(fresh.text.starts_with(fresh.key.prefix));
  ASSERT_TRUE(database_->write_now([&](db::Tx& tx) { return insert_key(tx, ada->id, fresh); }));
  const auto stored = database_->read_now([](db::Tx& tx) {
    return *tx.first("SELECT prefix || ' ' || key_hash FROM fg_access_key", {},
                     [](const db::Row& row) { return row.str(0); });
  });
  EXPECT_EQ(stored.find(fresh.text), std::string::npos);
  EXPECT_EQ(stored, fresh.key.prefix + " " + crypto::sha256_hex(fresh.text));
}

}  // namespace
}  // namespace fluxgate::identity

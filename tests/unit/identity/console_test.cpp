#include "identity/console.h"

#include "support.h"

namespace fluxgate::identity {
namespace {

struct ConsoleTest : DatabaseTest {
  Console console() { return {*database_, clock_, {.cost = cheap_hashes()}}; }
};

TEST_F(ConsoleTest, MakesTheFirstAccountAdminUnlessARoleIsNamed) {
  EXPECT_EQ(console().add({"Ada", "ada@example.org", "correct horse", ""}, std::nullopt)->role, Role::admin);
  EXPECT_EQ(console().add({"Bob", "bob@example.org", "correct horse", ""}, std::nullopt)->role, Role::user);
  EXPECT_EQ(console().add({"Eve", "eve@example.org", "correct horse", ""}, Role::pending)->role,
            Role::pending);
  EXPECT_EQ(console().list({}).total, 3);
}

TEST_F(ConsoleTest, FindsPeopleByEmailOrId) {
  const auto ada = console().add({"Ada", "ada@example.org", "correct horse", ""}, Role::user);
  EXPECT_EQ(console().find("ADA@example.org")->id, ada->id);
  EXPECT_EQ(console().find(ada->id)->email, "ada@example.org");
  EXPECT_EQ(code_of(console().find("nobody")), "user_not_found");
}

TEST_F(ConsoleTest, ChangesPasswordsAndRolesAndEndsSessions) {
  auto tool = console();
  ASSERT_TRUE(tool.add({"Ada", "ada@example.org", "correct horse", ""}, Role::user));
  EXPECT_EQ(tool.set_role("ada@example.org", Role::admin)->role, Role::admin);
  EXPECT_EQ(code_of(tool.set_password("ada@example.org", "short")), "invalid_input");
  EXPECT_GT(tool.set_password("ada@example.org", "battery staple")->tokens_valid_after, 0);
}

TEST_F(ConsoleTest, MakesTokensThatTheServerTakes) {
  auto tool = console();
  ASSERT_TRUE(tool.add({"Ada", "ada@example.org", "correct horse", ""}, Role::user));
  const Tokens tokens("a secret");
  const auto session = tool.token("ada@example.org", tokens, std::chrono::hours{1});
  EXPECT_EQ(tokens.verify(session->token, clock_.now_ms())->user_id, session->user.id);
  EXPECT_FALSE(tool.token("ada@example.org", tokens, {})->expires_at);
}

}  // namespace
}  // namespace fluxgate::identity

#include "identity/input.h"

#include <gtest/gtest.h>

namespace fluxgate::identity {
namespace {

using std::chrono::milliseconds;

TEST(Input, TakesEmailsAsTheOriginalDidAndLowersThem) {
  EXPECT_EQ(*clean_email("  Ada@Example.COM "), "ada@example.com");
  EXPECT_EQ(*clean_email("admin@localhost"), "admin@localhost");
  for (const char* bad : {"", "ada", "ada@", "@example.com", "ada@example", "ada@.com", "ada@example.",
                          "a@b@c.de", "a b@c.de", "@localhost", "a\x01@b.cd"})
    EXPECT_FALSE(clean_email(bad)) << bad;
}

TEST(Input, LimitsEmailsToTheirLargestSize) {
  EXPECT_TRUE(clean_email(std::string(248, 'a') + "@b.org"));
  EXPECT_FALSE(clean_email(std::string(249, 'a') + "@b.org"));
}

TEST(Input, TrimsAndLimitsNames) {
  EXPECT_EQ(*clean_name(" Ada \n"), "Ada");
  EXPECT_FALSE(clean_name("  "));
  EXPECT_FALSE(clean_name("a\tb"));
  EXPECT_TRUE(clean_name(std::string(128, 'n')));
  EXPECT_FALSE(clean_name(std::string(129, 'n')));
}

TEST(Input, TakesPicturesThatABrowserMayLoadSafely) {
  EXPECT_EQ(*clean_picture(""), "/user.png");
  EXPECT_TRUE(clean_picture("https://example.org/a.png"));
  EXPECT_TRUE(clean_picture("data:image/png;base64,AAAA"));
  for (const char* bad : {"javascript:alert(1)", "data:image/svg+xml;base64,AAAA", "//evil.example/a.png",
                          "data:text/html,x", "user.png"})
    EXPECT_FALSE(clean_picture(bad)) << bad;
  EXPECT_FALSE(clean_picture("data:image/png;base64," + std::string(kPictureMax, 'A')));
}

TEST(Input, ReadsDurations) {
  EXPECT_EQ(parse_duration("-1"), milliseconds{0});
  EXPECT_EQ(parse_duration("0"), milliseconds{0});
  EXPECT_EQ(parse_duration("4w"), std::chrono::weeks{4});
  EXPECT_EQ(parse_duration("1h30m"), std::chrono::minutes{90});
  EXPECT_EQ(parse_duration("1.5d"), std::chrono::hours{36});
  EXPECT_EQ(parse_duration("250ms"), milliseconds{250});
  EXPECT_EQ(parse_duration("1d1s1ms"), milliseconds{86'401'001});
  for (const char* bad : {"", "4", "w", "4 w", "4x", "-4w", "1h-30m", "0s", "1e9w", "99999999999999999999w",
                          "inf", "5200w1w9999w"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Input, KnowsThreeRoles) {
  for (Role role : {Role::pending, Role::user, Role::admin}) EXPECT_EQ(parse_role(name(role)), role);
  EXPECT_FALSE(parse_role("root"));
  EXPECT_FALSE(role_field("Admin"));
}

}  // namespace
}  // namespace fluxgate::identity

#include "app/opening_credit.h"

#include <gtest/gtest.h>

#include "db/schema.h"
#include "identity/settings.h"

namespace fluxgate::app {
namespace {

namespace json = boost::json;

// With what the settings of the database say; null = nothing.
Credits opening(const json::value& stored, const std::optional<std::string>& given) {
  auto database = db::open(":memory:");
  return database->write_now([&](db::Tx& tx) {
    db::create_missing(tx, 1);
    if (!stored.is_null()) identity::store_settings(tx, {{"credit.default_credit", stored}}, 1);
    return opening_credit(tx, given);
  });
}

TEST(OpeningCredit, IsWhatWasGivenElseWhatIsStoredElseNothing) {
  EXPECT_EQ(opening(nullptr, std::nullopt), Credits{});
  EXPECT_EQ(opening(5, std::nullopt), Credits::whole(5));
  EXPECT_EQ(opening(5, "9"), Credits::whole(9));
  EXPECT_EQ(opening(5, "0"), Credits{});
}

TEST(OpeningCredit, IsStoredAsANumberOrAText) {
  EXPECT_EQ(opening("7.5", std::nullopt), Credits::thousandths(7500));
  EXPECT_EQ(opening(7.5, std::nullopt), Credits::thousandths(7500));
  for (const json::value& odd : {json::value("a lot"), json::value(-3), json::value(1e300), json::value(json::array{})})
    EXPECT_EQ(opening(odd, std::nullopt), Credits{}) << json::serialize(odd);
}

}  // namespace
}  // namespace fluxgate::app

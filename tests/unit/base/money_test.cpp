#include "base/money.h"

#include <gtest/gtest.h>

namespace fluxgate {
namespace {

TEST(Credits, ReadsAndWritesDecimalsExactly) {
  for (const char* text : {"0", "12", "0.125", "-0.5", "999999999999999.999", "7.01"}) {
    auto amount = Credits::parse(text);
    ASSERT_TRUE(amount) << text;
    EXPECT_EQ(amount->to_string(), text);
  }
  EXPECT_EQ(Credits::parse("100.000000000000")->to_string(), "100");
}

TEST(Credits, RefusesWhatIsNoAmountOrDoesNotFit) {
  for (const char* text : {"", "-", ".", "1.2345", "1e3", " 1", "1 ", "0x1", "--1", "-+1", "+1", "1000000000000000.0",
                           "NaN"})
    EXPECT_FALSE(Credits::parse(text)) << text;
}

}  // namespace
}  // namespace fluxgate

#include "base/json_text.h"

#include <limits>

#include <gtest/gtest.h>

namespace fluxgate {
namespace {

namespace json = boost::json;

TEST(JsonText, WritesNumbersAsPeopleDo) {
  EXPECT_EQ(json_text({{"a", 0.0}, {"b", 12.5}, {"c", 7}, {"d", -0.125}, {"e", 1e300}}),
            R"({"a":0,"b":12.5,"c":7,"d":-0.125,"e":1e+300})");
  EXPECT_EQ(json_text(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(json_text(std::numeric_limits<double>::infinity()), "null");
}

TEST(JsonText, ReadsBackAsTheSameValue) {
  const json::value value{{"text", "quote \" back \\ line \n 中文 \x01"},
                          {"list", {1, nullptr, true, {{"deep", 0.1}}}},
                          {"empty", json::object{}}};
  EXPECT_EQ(json::parse(json_text(value)), value);
  EXPECT_EQ(json::parse(json_text(0.1)).as_double(), 0.1);
}

}  // namespace
}  // namespace fluxgate

#include "tasks/matrix.h"

#include <gtest/gtest.h>

namespace fluxgate::tasks {
namespace {

using Readings = std::vector<std::string>;

Readings read(std::string_view prompt) { return expand_prompt(prompt, 1'000).value_or(Readings{"too many"}); }

TEST(PromptMatrix, ReadsEveryChoiceTheFirstChangingSlowest) {
  EXPECT_EQ(read("a {red|blue} {cat|dog}"), (Readings{"a red cat", "a red dog", "a blue cat", "a blue dog"}));
}

TEST(PromptMatrix, TakesEmptyAndNestedChoices) {
  EXPECT_EQ(read("cat{|, {old|young}}"), (Readings{"cat", "cat, old", "cat, young"}));
}

TEST(PromptMatrix, LeavesBracesWithoutABarAndEscapedOnesAlone) {
  EXPECT_EQ(read("{json} a|b }{"), (Readings{"{json} a|b }{"}));
  EXPECT_EQ(read(R"(\{a\|b\} {x\|y|z})"), (Readings{"{a|b} x|y", "{a|b} z"}));
  EXPECT_EQ(read("open {a|b"), (Readings{"open {a|b"}));
  EXPECT_EQ(read(""), (Readings{""}));
}

TEST(PromptMatrix, ReadsOtherScripts) { EXPECT_EQ(read("{红|蓝}猫"), (Readings{"红猫", "蓝猫"})); }

TEST(PromptMatrix, StopsAtTheLimitWithoutMakingMore) {
  std::string prompt;
  for (int i = 0; i < 3; ++i) prompt += "{0|1|2|3|4|5|6|7|8|9}";
  EXPECT_EQ(expand_prompt(prompt, 1'000)->size(), 1'000u);
  EXPECT_FALSE(expand_prompt(prompt, 999));
  for (int i = 0; i < 60; ++i) prompt += "{a|b|c|d}";  // more than fit into any memory
  EXPECT_FALSE(expand_prompt(prompt, 1'000));
}

TEST(PromptMatrix, SweepsParametersInTheOrderTheyStand) {
  auto all = expand({{"prompt", "{a|b}"}, {"seed", 9}}, {{"seed", {1, 2}}, {"image_size", {"square"}}}, 1'000);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 4u);
  EXPECT_EQ(boost::json::serialize((*all)[1]), R"({"prompt":"a","seed":2,"image_size":"square"})");
  EXPECT_EQ(boost::json::serialize((*all)[2]), R"({"prompt":"b","seed":1,"image_size":"square"})");
}

TEST(PromptMatrix, RefusesASweepThatIsNoListOrTooLong) {
  auto none = expand({{"prompt", "a"}}, {{"seed", 7}}, 10);
  ASSERT_FALSE(none);
  EXPECT_EQ(std::get<std::string>(none.error().fields().at(0).loc.at(2)), "seed");
  boost::json::array eleven(11, 1);
  EXPECT_FALSE(expand({{"prompt", "a"}}, {{"seed", eleven}}, 10));
  eleven.pop_back();
  EXPECT_TRUE(expand({{"prompt", "a"}}, {{"seed", eleven}}, 10));
}

}  // namespace
}  // namespace fluxgate::tasks

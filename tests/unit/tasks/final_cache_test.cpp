#include "tasks/final_cache.h"

#include <gtest/gtest.h>

namespace fluxgate::tasks {
namespace {

TaskView ended(const char* id, bool deleted = false) {
  TaskView view;
  view.task.id = id;
  view.files = {{.file_id = "f", .deleted = deleted}};
  return view;
}

TEST(FinalCache, KnowsATaskForFiveSecondsAndThenAnew) {
  FinalCache cache;
  cache.put(ended("a"), 1'000);
  EXPECT_NE(cache.find("a", 6'000), nullptr);
  EXPECT_EQ(cache.find("a", 6'001), nullptr);
  EXPECT_EQ(cache.find("b", 1'000), nullptr);
  cache.put(ended("a", true), 6'001);
  ASSERT_NE(cache.find("a", 11'001), nullptr);
  EXPECT_TRUE(cache.find("a", 11'001)->files.at(0).deleted) << "what was read last";
  cache.clear();
  EXPECT_EQ(cache.find("a", 6'001), nullptr);
}

TEST(FinalCache, ForgetsTheOldestOfTwoThousand) {
  FinalCache cache;
  for (int i = 0; i < 2'000; ++i) cache.put(ended(std::to_string(i).c_str()), 0);
  cache.put(ended("0"), 0);  // known already: it takes no second place
  EXPECT_NE(cache.find("0", 0), nullptr);
  cache.put(ended("one more"), 0);
  EXPECT_EQ(cache.find("0", 0), nullptr);
  EXPECT_NE(cache.find("1", 0), nullptr);
  EXPECT_NE(cache.find("one more", 0), nullptr);
}

}  // namespace
}  // namespace fluxgate::tasks

// What the tests with sixty-four callers at once share.
#pragma once

#include <algorithm>
#include <functional>
#include <map>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "house.h"
#include "tasks/queue.h"

namespace fluxgate::closures {

inline constexpr const char* kTextToImage = "/api/v1/flux/text-to-image";

class SideBySide : public testing::TestWithParam<db::Dialect> {
 protected:
  void TearDown() override { EXPECT_EQ(house.audit(), ""); }

  // How many of sixty-four said yes.
  template <class F>
  std::int64_t yes(F f) {
    const auto answers = side_by_side(kSideBySide, [&](int i) { return static_cast<int>(f(i)); });
    return std::ranges::count(answers, 1);
  }
  std::map<int, int> statuses(const std::function<Answer(int)>& send) {
    std::map<int, int> counted;
    for (const Answer& answer : side_by_side(kSideBySide, send)) ++counted[answer.status];
    return counted;
  }
  boost::json::object picture(std::string prompt) const { return {{"model", kModel}, {"prompt", std::move(prompt)}}; }
  // Tasks of a user, waiting; their ids.
  std::vector<std::string> submitted(const Person& person, int count) {
    std::vector<std::string> ids;
    for (int i = 0; i < count; ++i) {
      const auto answer = house.send("POST", kTextToImage, person.token, picture(fmt::format("task {}", i)));
      EXPECT_EQ(answer.status, 200) << boost::json::serialize(answer.body);
      ids.emplace_back(answer.body.at("id").as_string());
    }
    return ids;
  }
  std::vector<tasks::Task> claimed(int count, const std::string& node = "node") {
    return house.write([&](db::Tx& tx) { return tasks::claim(tx, {"flux", node, now(), count, {{"environment", 1, 1'000}}}); });
  }
  Millis now() const { return house.clock.now_ms(); }

  House house{GetParam()};
};

}  // namespace fluxgate::closures

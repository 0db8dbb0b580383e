// What the tests share that let a closure fail at each of its statements in turn: nothing of it remains, its caller hears
// of it, and done again it does what it should.
#pragma once

#include <functional>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "house.h"

namespace fluxgate::closures {

class Statements : public testing::TestWithParam<db::Dialect> {
 protected:
  // Fails at the first statement, the second … until it gets through.
  void at_every_statement(const std::string& name, const std::function<bool()>& act) {
    SCOPED_TRACE(name);
    int statement = 1;
    for (;; ++statement) {
      ASSERT_LT(statement, 2'000) << "it never gets through";
      house.database.fail_at(statement);
      const bool done = act();
      const bool failed = house.database.has_failed();
      const std::string left = house.database.left();
      house.database.fail_at(0);
      EXPECT_EQ(left, "") << "left of it, when statement " << statement << " failed";
      EXPECT_NE(done, failed) << "its caller hears the truth, when statement " << statement << " failed";
      if (!failed || left != "") break;
    }
    EXPECT_GT(statement, 1) << "no statement at all";
    EXPECT_EQ(house.audit(), "");
  }

  // A request; done when it succeeds, failed when it is 503.
  void request_fails(const std::string& name, const std::function<Answer()>& send) {
    at_every_statement(name, [&] {
      last = send();
      EXPECT_TRUE(last.status / 100 == 2 || last.status == 503) << last.status << " " << boost::json::serialize(last.body);
      return last.status / 100 == 2;
    });
  }
  template <class F>
  void closure_fails(const std::string& name, F closure) {
    at_every_statement(name, [&] {
      try {
        house.write(closure);
        return true;
      } catch (const db::Failure&) {
        return false;
      }
    });
  }
  // Of a coroutine that throws.
  void work_fails(const std::string& name, const std::function<awaitable<void>()>& work) {
    at_every_statement(name, [&] {
      try {
        house.run(work());
        return true;
      } catch (const db::Failure&) {
        return false;
      }
    });
  }

  std::string made_id() const { return std::string(last.body.at("id").as_string()); }
  boost::json::object picture(std::string prompt) const { return {{"model", kModel}, {"prompt", std::move(prompt)}}; }
  std::string submitted(const Person& person, const std::string& prompt) {
    const auto answer = house.send("POST", "/api/v1/flux/text-to-image", person.token, picture(prompt));
    EXPECT_EQ(answer.status, 200) << boost::json::serialize(answer.body);
    return std::string(answer.body.at("id").as_string());
  }
  Millis now() const { return house.clock.now_ms(); }

  House house{GetParam()};
  Answer last;
};

}  // namespace fluxgate::closures

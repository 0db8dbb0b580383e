// Groups of coroutines and wake-ups, on a context that this thread runs.
#include "base/coro.h"

#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/log.h"

namespace fluxgate {
namespace {

using namespace std::chrono_literals;

class Coro : public testing::Test {
 protected:
  // Runs what can run now; a context that ran out of work wants to be told to go on.
  void settle() {
    context_.restart();
    context_.poll();
  }
  void finish() {
    context_.restart();
    context_.run();
  }
  boost::asio::io_context context_;
  CoroGroup group_{context_.get_executor()};
  std::vector<std::string> heard_;
};

awaitable<void> say(std::vector<std::string>& heard, std::string word) {
  heard.push_back(std::move(word));
  co_return;
}

awaitable<void> wait_then_say(Wakeup& wakeup, std::chrono::milliseconds limit,
                              std::vector<std::string>& heard, std::string word) {
  co_await wakeup.wait_for(limit);
  heard.push_back(std::move(word));
}

awaitable<void> join_then_say(CoroGroup& group, std::vector<std::string>& heard) {
  co_await group.joined();
  heard.push_back("joined");
}

awaitable<void> throw_away() {
  throw std::runtime_error("on purpose");
  co_return;
}

awaitable<void> until_stopped(CoroGroup& group, Wakeup& wakeup, int& rounds) {
  while (!group.stopping()) {
    co_await wakeup.wait_for(1h);
    ++rounds;
  }
}

TEST_F(Coro, CountsWhatItOwns) {
  group_.spawn("one", say(heard_, "one"));
  group_.spawn("two", say(heard_, "two"));
  EXPECT_EQ(group_.size(), 2u);
  finish();
  EXPECT_EQ(group_.size(), 0u);
  EXPECT_EQ(heard_.size(), 2u);
}

TEST_F(Coro, JoinsWhenTheLastHasEnded) {
  Wakeup wakeup(context_.get_executor());
  CoroGroup watchers(context_.get_executor());
  group_.spawn("slow", wait_then_say(wakeup, 1h, heard_, "slow"));
  watchers.spawn("watcher", join_then_say(group_, heard_));
  settle();
  EXPECT_TRUE(heard_.empty());
  wakeup.notify();
  finish();
  EXPECT_EQ(heard_, (std::vector<std::string>{"slow", "joined"}));
}

TEST_F(Coro, JoinsAtOnceWhenItOwnsNothing) {
  CoroGroup watchers(context_.get_executor());
  watchers.spawn("watcher", join_then_say(group_, heard_));
  finish();
  EXPECT_EQ(heard_, std::vector<std::string>{"joined"});
}

TEST_F(Coro, OutlivesAMemberThatThrows) {
  log::configure(log::Level::off, log::Format::text);
  group_.spawn("thrower", throw_away());
  group_.spawn("other", say(heard_, "other"));
  finish();
  log::configure(log::Level::info, log::Format::text);
  EXPECT_EQ(group_.size(), 0u);
  EXPECT_EQ(heard_, std::vector<std::string>{"other"});
}

TEST_F(Coro, AsksItsMembersToStopAndWaitsForThem) {
  Wakeup wakeup(context_.get_executor());
  CoroGroup watchers(context_.get_executor());
  int rounds = 0;
  group_.spawn("loop", until_stopped(group_, wakeup, rounds));
  watchers.spawn("watcher", join_then_say(group_, heard_));
  settle();
  wakeup.notify();
  settle();
  EXPECT_EQ(rounds, 1);
  group_.stop();
  group_.stop();
  wakeup.notify();
  finish();
  EXPECT_EQ(rounds, 2);
  EXPECT_EQ(heard_, std::vector<std::string>{"joined"});
}

TEST_F(Coro, RemembersAWakeUpThatNobodyWaitedFor) {
  Wakeup wakeup(context_.get_executor());
  wakeup.notify();
  wakeup.notify();
  group_.spawn("first", wait_then_say(wakeup, 1h, heard_, "first"));
  settle();
  EXPECT_EQ(heard_, std::vector<std::string>{"first"});
  group_.spawn("second", wait_then_say(wakeup, 1h, heard_, "second"));
  settle();
  EXPECT_EQ(heard_.size(), 1u) << "it is remembered once";
  wakeup.notify();
  finish();
  EXPECT_EQ(heard_.size(), 2u);
}

TEST_F(Coro, WakesByItselfAfterTheLimit) {
  Wakeup wakeup(context_.get_executor());
  group_.spawn("waiter", wait_then_say(wakeup, 1ms, heard_, "late"));
  finish();
  EXPECT_EQ(heard_, std::vector<std::string>{"late"});
}

}  // namespace
}  // namespace fluxgate

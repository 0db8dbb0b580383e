// How well upstream accounts work, judged by what really happens to submits: a circuit breaker per account.
//
// Closed: tasks flow. After `failures_to_open` submits in a row that the upstream could not take, it is open and
// the account rests. When the rest is over it is half open: one task goes to try; if that is taken, the breaker
// closes, else the account rests twice as long, up to a limit. A clock that was put back ends the rest. A refusal of one request's content is an answer
// like any other and says nothing against the account.
//
// Breakers are each node's own experience and are not stored; what takes an account out for everyone (key,
// balance) is in fg_upstream_account.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>

#include "base/clock.h"

namespace fluxgate::tasks {

struct BreakerRules {
  int failures_to_open = 5;
  Millis rest_ms = 5'000;           // doubled with every try that failed, …
  Millis rest_max_ms = 300'000;     // … up to this
  Millis probe_limit_ms = 120'000;  // a try of which nothing is heard is given up
};

// Values in, values out; no thread of its own.
class Breaker {
 public:
  enum class State { closed, open, half_open };

  explicit Breaker(BreakerRules rules = {}) : rules_(rules) {}

  State state(Millis now) const;
  // Tasks that may be given now: -1 without limit, 0 none, 1 the try.
  int room(Millis now) const;
  // A task was given to the account.
  void given(Millis now);
  // A submit was answered, or could not be. True when this opened the breaker anew.
  void succeeded();
  bool failed(Millis now);

  Millis since() const { return since_; }         // of the present state; 0 = always
  int rests() const { return rests_; }            // in a row without a success
  std::int64_t successes() const { return successes_; }
  std::int64_t failures() const { return failures_; }

 private:
  BreakerRules rules_;
  int in_a_row_ = 0, rests_ = 0;
  bool open_ = false;
  Millis since_ = 0, rest_from_ = 0, rest_until_ = 0, trying_since_ = 0;
  std::int64_t successes_ = 0, failures_ = 0;
};

std::string_view name(Breaker::State state);

// The breakers of all accounts, for the engine that feeds them and those who look. Thread-safe.
class AccountHealth {
 public:
  explicit AccountHealth(BreakerRules rules = {}) : rules_(rules) {}

  Breaker of(const std::string& account_id) const;  // a copy
  // Calls `act(Breaker&)` on the account's breaker; what it returns.
  template <class F>
  auto with(const std::string& account_id, F act) {
    std::lock_guard lock(mutex_);
    return act(breakers_.try_emplace(account_id, Breaker(rules_)).first->second);
  }
  // An admin saved the account: it begins anew.
  void forget(const std::string& account_id);

 private:
  const BreakerRules rules_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Breaker> breakers_;
};

}  // namespace fluxgate::tasks

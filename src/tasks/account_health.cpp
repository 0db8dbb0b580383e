#include "tasks/account_health.h"

#include <algorithm>

namespace fluxgate::tasks {

Breaker::State Breaker::state(Millis now) const {
  if (!open_) return State::closed;
  return rest_from_ <= now && now < rest_until_ ? State::open : State::half_open;
}

int Breaker::room(Millis now) const {
  switch (state(now)) {
    case State::closed: return -1;
    case State::open: return 0;
    case State::half_open: return trying_since_ != 0 && trying_since_ <= now && now - trying_since_ < rules_.probe_limit_ms ? 0 : 1;
  }
  return 0;
}

void Breaker::given(Millis now) {
  if (state(now) == State::half_open) trying_since_ = now;
}

void Breaker::succeeded() {
  ++successes_;
  in_a_row_ = rests_ = 0;
  open_ = false;
  since_ = trying_since_ = 0;
}

bool Breaker::failed(Millis now) {
  ++failures_;
  ++in_a_row_;
  const bool the_try = state(now) == State::half_open;
  // Submits that were on their way when it opened say nothing new.
  if (open_ && !the_try) return false;
  if (!the_try && in_a_row_ < rules_.failures_to_open) return false;
  open_ = true;
  if (rests_ == 0) since_ = now;
  const Millis rest = rules_.rest_ms << std::min(rests_, 20);
  rest_from_ = now;
  rest_until_ = now + std::min(rest, rules_.rest_max_ms);
  trying_since_ = 0;
  ++rests_;
  return true;
}

std::string_view name(Breaker::State state) {
  switch (state) {
    case Breaker::State::closed: return "closed";
    case Breaker::State::open: return "open";
    case Breaker::State::half_open: return "half_open";
  }
  return "closed";
}

Breaker AccountHealth::of(const std::string& account_id) const {
  std::lock_guard lock(mutex_);
  auto found = breakers_.find(account_id);
  return found == breakers_.end() ? Breaker(rules_) : found->second;
}

void AccountHealth::forget(const std::string& account_id) {
  std::lock_guard lock(mutex_);
  breakers_.erase(account_id);
}

}  // namespace fluxgate::tasks

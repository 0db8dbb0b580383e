#include "identity/attempt_limiter.h"

namespace fluxgate::identity {

AttemptLimiter::AttemptLimiter() : AttemptLimiter(Limits{}) {}
AttemptLimiter::AttemptLimiter(Limits limits) : limits_(limits) {}

Result<void> AttemptLimiter::begin(std::string_view key, Millis now) {
  const std::lock_guard lock(mutex_);
  auto found = by_key_.find(key);
  // A window that has run out, or that a clock set back put into the future, is dropped.
  if (found != by_key_.end()) {
    const auto window = found->second;
    if (now >= window->started + limits_.window || now < window->started) {
      by_key_.erase(found);
      windows_.erase(window);
      found = by_key_.end();
    }
  }
  if (found == by_key_.end()) {
    if (windows_.size() >= limits_.keys) {
      by_key_.erase(windows_.front().key);
      windows_.pop_front();
    }
    const auto window = windows_.insert(windows_.end(), Window{std::string(key), now, 0});
    found = by_key_.emplace(window->key, window).first;
  }
  Window& window = *found->second;
  if (window.attempts >= limits_.attempts) {
    const Millis left = window.started + limits_.window - now;
    return fail(Error(Errc::too_many_requests, "too_many_attempts",
                      {"Too many failed attempts. Try again later.", "失败次数过多,请稍后再试。"})
                    .retry_after(static_cast<int>((left + 999) / 1000)));
  }
  ++window.attempts;
  return {};
}

void AttemptLimiter::forgive(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  const auto window = found->second;
  by_key_.erase(found);
  windows_.erase(window);
}

void AttemptLimiter::undo(std::string_view key) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end() && found->second->attempts > 0)
    --found->second->attempts;
}

std::size_t AttemptLimiter::size() const {
  const std::lock_guard lock(mutex_);
  return windows_.size();
}

}  // namespace fluxgate::identity

// Slows down guessing: at most ten failed attempts for one key (an e-mail with the caller's address, or a
// user who changes the password) in fifteen minutes, then too_many_requests until the window ends.
//
// An attempt is counted before its password is checked and forgiven when it was right, so that attempts
// made side by side cannot slip through together. Kept in this node's memory; bounded: when it is full,
// the oldest windows go first.
#pragma once

#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/result.h"

namespace fluxgate::identity {

class AttemptLimiter {
 public:
  struct Limits {
    int attempts = 10;
    Millis window = 15 * 60'000;
    std::size_t keys = 10'000;
  };
  AttemptLimiter();  // the limits above
  explicit AttemptLimiter(Limits limits);

  // Counts an attempt. too_many_requests (code `too_many_attempts`, Retry-After) beyond the limit.
  Result<void> begin(std::string_view key, Millis now);
  // The attempt was right: the key starts anew.
  void forgive(std::string_view key);
  // The attempt was not judged at all (the server was busy): it does not count.
  void undo(std::string_view key);
  std::size_t size() const;

 private:
  struct Window {
    std::string key;
    Millis started = 0;
    int attempts = 0;
  };
  Limits limits_;
  mutable std::mutex mutex_;
  std::list<Window> windows_;                                                 // oldest first; under mutex_
  std::unordered_map<std::string_view, std::list<Window>::iterator> by_key_;  // into windows_
};

}  // namespace fluxgate::identity

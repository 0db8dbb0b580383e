// All requests that this folder has accepted: their plan, their cancellation, their place in the queue.
//
// An account has `slots` runners; a request starts when its short wait is over and a runner is free, in
// the order of arrival. The whole plan is fixed and written to the journal before `accept` returns, so
// the state of a request is a function of its record and the time (§9.1 "N slots per account").
//
// In memory stands one small entry per request (some 100 bytes), the rest is read from the journal.
// Thread-safe. Requests older than the time to live are forgotten.
#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "sandbox/journal.h"
#include "sandbox/record.h"

namespace fluxgate::sandbox {

struct BookOptions {
  std::string folder;
  int slots = 0;  // runners per account; 0 = as many as are asked for
  Millis time_to_live_ms = 24 * 3'600'000;
  std::size_t records_max = 1'000'000;
};

class Book {
 public:
  Book(BookOptions options, const Clock& clock);

  struct Plan {
    Millis wait_ms = 0;  // before a free runner takes it
    Millis run_ms = 0;
    Millis start_limit_ms = 0;  // gives up waiting after so long; 0 = never
  };
  // Gives the record its id and times and writes it down. Throws when the disk does not take it.
  Record accept(Record draft, Plan plan);
  std::optional<Record> find(std::string_view id);

  enum class CancelOutcome { accepted, already_finished, unknown };
  CancelOutcome cancel(std::string_view id);

  // How many requests of the same account are before this one. 0 when it does not wait.
  int position(const Record& record);
  // Waiting requests of all accounts.
  std::size_t waiting();
  // Running ones of an account; with slots only.
  bool has_free_slot(const std::string& account);
  std::size_t size();

  // Ids with a webhook that was neither delivered nor given up, e.g. after a restart.
  std::vector<std::string> open_webhooks();
  void webhook_done(std::string_view id);

 private:
  struct KeyHash {
    std::size_t operator()(const RequestKey& key) const;
  };
  struct Entry {
    Journal::Place place;
    Millis start = 0, end = 0, cancelled = 0;
    std::uint32_t lane = 0;
    bool open_webhook = false;
  };
  struct Waiting {
    Millis start = 0;
    std::uint64_t order = 0;
    RequestKey key{};
    auto operator<=>(const Waiting&) const = default;
  };
  struct Lane {                       // one account
    std::deque<Waiting> waiting;      // sorted
    std::vector<Millis> busy;         // sorted ends of the last planned run of each runner
    std::vector<RequestKey> running;  // with slots only; may hold some that have ended
  };
  using Index = std::unordered_map<RequestKey, Entry, KeyHash>;

  void refresh();
  void load_line(std::string_view line, Journal::Place place, std::vector<LineHead>& later);
  void apply_later(const std::vector<LineHead>& later);
  Index::iterator look_up(const RequestKey& key);
  Lane& lane_of(const std::string& account, std::uint32_t& number);
  Millis plan_start(Lane& lane, Millis now, Millis ready) const;
  void occupy(Lane& lane, Millis end, Millis now) const;
  void enqueue(Lane& lane, Millis start, const RequestKey& key);
  void leave_queue(Lane& lane, Millis start, const RequestKey& key);
  void prune(Lane& lane, Millis now);
  void note_running(Lane& lane, const RequestKey& key, Millis now);
  void replan(Lane& lane, Millis now);
  void expire(Millis now);

  const BookOptions options_;
  const Clock& clock_;
  std::mutex mutex_;  // guards all below
  Journal journal_;
  Index index_;
  std::unordered_map<std::string, std::uint32_t> lane_numbers_;
  std::deque<Lane> lanes_;
  std::uint64_t order_ = 0;
  Millis refreshed_at_ms_ = 0;
  Millis expired_at_ms_ = 0;
  std::size_t accepted_since_expiry_ = 0;
};

}  // namespace fluxgate::sandbox

// What happened to a user's things, in order: rows of fg_event, written in the transaction of the change
// they report, and a hub that wakes this node's streams after the commit. DESIGN §5.2.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <boost/json.hpp>

#include "base/clock.h"
#include "base/coro.h"
#include "db/database.h"

namespace fluxgate::notify {

struct Event {
  std::int64_t seq = 0;  // 0: not stored (progress)
  std::string type;      // task.updated, credits.changed, catalogue.changed, …
  std::string data;      // JSON
};

// Takes the user's next number and stores the event. Call after the change's own writes.
void append(db::Tx& tx, std::string_view user_id, std::string_view type, const boost::json::value& data, Millis now);

struct Page {
  bool reset = false;          // the id asked for is older than what is kept
  std::int64_t last_seq = 0;   // the user's newest number
  std::vector<Event> events;   // after `since`, oldest first
};
Page read_since(db::Tx& tx, std::string_view user_id, std::int64_t since, int limit);
std::int64_t last_seq(db::Tx& tx, std::string_view user_id);

// Forgets events older than `before`, at most `limit` of them; the number removed.
std::int64_t prune(db::Tx& tx, Millis before, int limit);

// One listener: an event stream, or a request that waits for a task. Lives on one executor.
class Subscription {
 public:
  explicit Subscription(const boost::asio::any_io_executor& executor) : executor_(executor), wakeup_(executor) {}
  Wakeup& wakeup() { return wakeup_; }
  // Progress that came since the last call; bounded, the oldest is dropped.
  std::vector<Event> take_progress();

 private:
  friend class Hub;
  boost::asio::any_io_executor executor_;
  Wakeup wakeup_;
  std::vector<Event> progress_;  // touched on executor_ only
};

// Thread-safe. Outlives the servers.
class Hub {
 public:
  std::shared_ptr<Subscription> subscribe(const std::string& user_id, const boost::asio::any_io_executor& executor);
  // Something was committed for the user: their streams read the table, here and on the other nodes.
  void changed(const std::string& user_id);
  // Another node said so: of this user, or of somebody.
  void heard(const std::string& user_id);
  void heard_of_all();
  // Before use: how other nodes are told.
  void relay_to(std::function<void(const std::string& user_id)> relay) { relay_ = std::move(relay); }
  // The users who have a listener now.
  std::vector<std::string> listening();
  // Passing news that is not stored.
  void progress(const std::string& user_id, Event event);

 private:
  template <class F>
  void for_each(const std::string& user_id, F visit);

  std::function<void(const std::string&)> relay_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::vector<std::weak_ptr<Subscription>>> subscriptions_;
};

}  // namespace fluxgate::notify

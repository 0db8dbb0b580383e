#include "notify/events.h"

#include <boost/asio/post.hpp>

#include "base/json_text.h"
#include "db/post.h"

namespace fluxgate::notify {

void append(db::Tx& tx, std::string_view user_id, std::string_view type, const boost::json::value& data, Millis now) {
  // An upsert: accounts of Open WebUI have no fg_user row before their first event.
  db::post(tx,
      "INSERT INTO fg_user (user_id, event_seq, created_at) VALUES ($1, 1, $2) "
      "ON CONFLICT (user_id) DO UPDATE SET event_seq = fg_user.event_seq + 1",
      {user_id, now});
  const std::string text = json_text(data);
  db::post(tx, "INSERT INTO fg_event (user_id, seq, type, data, created_at) "
          "SELECT user_id, event_seq, $2, $3, $4 FROM fg_user WHERE user_id = $1",
          {user_id, type, text, now});
}

std::int64_t last_seq(db::Tx& tx, std::string_view user_id) {
  return tx.number("SELECT event_seq FROM fg_user WHERE user_id = $1", {user_id});
}

Page read_since(db::Tx& tx, std::string_view user_id, std::int64_t since, int limit) {
  Page page;
  page.last_seq = last_seq(tx, user_id);
  auto oldest = tx.number("SELECT MIN(seq) FROM fg_event WHERE user_id = $1", {user_id});
  // Numbers run without gaps, so a kept event must follow directly on the one the client has.
  bool known = since <= page.last_seq && (since == page.last_seq || (oldest != 0 && oldest <= since + 1));
  if (!known) {
    page.reset = true;
    return page;
  }
  page.events = tx.all("SELECT seq, type, data FROM fg_event WHERE user_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                       {user_id, since, limit},
                       [](const db::Row& row) { return Event{row.i64(0), row.str(1), row.str(2)}; });
  return page;
}

std::int64_t prune(db::Tx& tx, Millis before, int limit) {
  return tx.exec(
      "DELETE FROM fg_event WHERE (user_id, seq) IN "
      "(SELECT user_id, seq FROM fg_event WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
      {before, limit});
}

std::vector<Event> Subscription::take_progress() { return std::exchange(progress_, {}); }

std::shared_ptr<Subscription> Hub::subscribe(const std::string& user_id, const boost::asio::any_io_executor& executor) {
  auto made = std::make_shared<Subscription>(executor);
  std::lock_guard lock(mutex_);
  auto& list = subscriptions_[user_id];
  std::erase_if(list, [](const auto& weak) { return weak.expired(); });
  list.push_back(made);
  return made;
}

template <class F>
void Hub::for_each(const std::string& user_id, F visit) {
  std::vector<std::shared_ptr<Subscription>> listeners;
  {
    std::lock_guard lock(mutex_);
    auto found = subscriptions_.find(user_id);
    if (found == subscriptions_.end()) return;
    std::erase_if(found->second, [](const auto& weak) { return weak.expired(); });
    if (found->second.empty()) {
      subscriptions_.erase(found);
      return;
    }
    for (auto& weak : found->second)
      if (auto listener = weak.lock()) listeners.push_back(std::move(listener));
  }
  for (auto& listener : listeners) visit(listener);
}

void Hub::changed(const std::string& user_id) {
  heard(user_id);
  if (relay_) relay_(user_id);
}

void Hub::heard(const std::string& user_id) {
  for_each(user_id, [](const std::shared_ptr<Subscription>& listener) {
    boost::asio::post(listener->executor_, [listener] { listener->wakeup_.notify(); });
  });
}

void Hub::heard_of_all() {
  for (const std::string& user : listening()) heard(user);
}

std::vector<std::string> Hub::listening() {
  std::vector<std::string> users;
  std::lock_guard lock(mutex_);
  for (auto& [user, list] : subscriptions_)
    if (std::ranges::any_of(list, [](const auto& weak) { return !weak.expired(); })) users.push_back(user);
  return users;
}

void Hub::progress(const std::string& user_id, Event event) {
  constexpr std::size_t kKept = 256;
  for_each(user_id, [&event](const std::shared_ptr<Subscription>& listener) {
    boost::asio::post(listener->executor_, [listener, event] {
      if (listener->progress_.size() >= kKept) listener->progress_.erase(listener->progress_.begin());
      listener->progress_.push_back(event);
      listener->wakeup_.notify();
    });
  });
}

}  // namespace fluxgate::notify

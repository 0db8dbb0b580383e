// Words between the nodes of one PostgreSQL: LISTEN and NOTIFY on a connection of its own, never inside a
// transaction that matters (NOTIFY serialises commits). What is announced is gathered and sent at most every
// 20 ms; losing words is allowed, since every listener also looks for itself now and then (DESIGN §5.2).
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include <mutex>

#include "db/postgresql_target.h"

namespace fluxgate::db {

class Bulletin {
 public:
  explicit Bulletin(PostgresTarget target);
  ~Bulletin() { stop(); }

  // From any thread; returns at once. Words are short and hold no line break.
  void announce(const std::string& word);
  // `heard` is called on this object's thread with the words of other nodes; "*" stands for more than were sent.
  void listen(std::function<void(const std::string&)> heard);
  // The database is at another server now, by PgConnection::incarnation(): a line to the old one would stay silent for good.
  void follow(std::string server);
  void stop();

 private:
  class Line;
  void run();
  // What waits; false when nothing does. When the line breaks, it waits on.
  bool send(Line& line);
  void wake();

  const PostgresTarget target_;
  const std::string own_;
  std::mutex mutex_;  // guards all that follows
  std::set<std::string> waiting_;
  std::function<void(const std::string&)> heard_;
  std::string server_;  // to follow to; empty when that is done
  bool stopped_ = false;
  int wake_[2] = {-1, -1};
  std::thread thread_;
};

}  // namespace fluxgate::db

// What the nodes of one database tell each other about tasks: that there is news for a user, that work waits, how far a
// task is; and, said by the engines themselves (Engine::attend), that a task wants the attention of the node it is at.
//
// A word may be lost, so nothing rests on one alone: streams and claims look for themselves each second, a node looks
// at its tasks in time. After a gap a node is told so, and looks at everything. Where there is no other node (SQLite)
// nothing is said and nothing heard.
//
// Thread-safe.
#pragma once

#include <string>

#include "db/database.h"
#include "notify/events.h"
#include "tasks/progress_board.h"

namespace fluxgate::tasks {

class Engine;

class Neighbours {
 public:
  explicit Neighbours(db::Database& database) : database_(database) {}

  // Each after what it is about was committed.
  void tell_news(const std::string& user_id);
  void tell_work();
  // `data`: of the event task.progress. It replaces what was told of the task before.
  void tell_progress(const std::string& user_id, const boost::json::object& data);
  void tell_no_progress(const std::string& task_id);

  // From now on what others say is passed on. These outlive the database's threads (Database::stop).
  void listen(notify::Hub& hub, ProgressBoard& progress, Engine& engine);

 private:
  db::Database& database_;
};

}  // namespace fluxgate::tasks

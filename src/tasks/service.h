// Tasks for the API: submit, find, history, cancel, wait. Implements tasks.h on the database; the engine
// is only told when there is something to do.
#pragma once

#include <memory>

#include "catalogue/holder.h"
#include "files/files.h"
#include "notify/events.h"
#include "tasks/accounts.h"
#include "tasks/engine.h"
#include "tasks/progress_board.h"
#include "tasks/tasks.h"
#include "tasks/waiting.h"

namespace fluxgate::tasks {

struct ServiceParts {
  db::Database& database;
  files::Files& files;
  notify::Hub& hub;
  const catalogue::Holder& catalogue;
  const AccountStore& accounts;
  ProgressBoard& progress;
  const Clock& clock;
  Engine& engine;
  Waiting& waiting;
  const std::atomic<bool>& draining;   // waits end at once when it becomes true
  std::vector<std::string> own_origins;  // under which links are ours, besides the caller's
  bool inputs_inline = true;             // no public URL: upstreams are sent the bytes
};

std::unique_ptr<Tasks> make_tasks(ServiceParts parts);

}  // namespace fluxgate::tasks

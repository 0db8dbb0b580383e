// Every endpoint of the product, put on a router. Made once by the composition root.
#pragma once

#include <functional>
#include <string>

#include "api/support.h"
#include "catalogue/holder.h"
#include "db/database.h"
#include "files/depot.h"
#include "files/files.h"
#include "files/uploads.h"
#include "http/server.h"
#include "identity/identity.h"
#include "notify/events.h"
#include "tasks/accounts.h"
#include "tasks/batches.h"
#include "tasks/engine.h"
#include "tasks/tasks.h"

namespace fluxgate::api {

// What does not change while the server runs.
struct Info {
  std::string name = "Fluxgate";
  std::string version;
  bool sandbox = false;    // pictures come from the built-in emulator
  std::string public_url;  // "" = none configured; without a trailing slash
};

// What the endpoints work with. All of it outlives the server.
struct Parts {
  tasks::Tasks& tasks;
  tasks::Batches& batches;
  files::Files& files;
  db::Database& database;
  notify::Hub& hub;
  const catalogue::Holder& catalogue;
  const tasks::AccountStore& accounts;
  tasks::AccountHealth& health;
  identity::Identity& identity;
  const Clock& clock;
  tasks::Engine& engine;
  files::Depot& depot;
  const crypto::Sealer& sealer;
  Info info = {};
  // Called after an admin changed prices: they are in force when it is done.
  std::function<awaitable<void>()> catalogue_changed = {};
  files::Uploads* uploads = nullptr;  // always set in a server
};

void add_routes(http::Router& router, Parts parts);
// Of a node that works on tasks and answers nobody: whether it lives.
void add_worker_routes(http::Router& router, Parts parts);

}  // namespace fluxgate::api

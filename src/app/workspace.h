// What every command needs: the data folder, the database with its schema, the keys.
#pragma once

#include <memory>
#include <string>

#include "app/config.h"
#include "base/result.h"
#include "db/database.h"

namespace fluxgate::app {

struct Workspace {
  std::unique_ptr<db::Database> database;
};

enum class Access {
  serve,  // takes the server's lock; sets up an empty place
  tool,   // beside a running server; sets up an empty place
};

// Refuses (with the remedy) a database that is neither empty nor ours, unless config.repair.
Result<Workspace> open_workspace(const Config& config, Access access);

}  // namespace fluxgate::app

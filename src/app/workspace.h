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
  look,   // the same, but refuses an empty place, most likely the wrong folder, and leaves it empty
  read,   // changes nothing: also on a standby, in a folder that cannot be written; refuses what is empty or of an earlier version
};

// Sets up an empty place and brings an earlier version of ours up to date. What needs repair (db/repair.h) is repaired
// with config.repair, else refused with the remedy and without having changed a byte.
Result<Workspace> open_workspace(const Config& config, Access access);

// `described` as db::Care has it.
Error no_database(const std::string& described);

}  // namespace fluxgate::app

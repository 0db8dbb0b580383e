// Nodes on one PostgreSQL share DATA_DIR: it holds the files of tasks and the secrets that links and tokens are signed
// with. A marker file proves it: DATA_DIR/installation has the same id as the database (`fg_once`, installation).
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "db/database.h"

namespace fluxgate::app {

// Marks the folder of a database that has none yet; afterwards refuses any other folder, with the remedy. Nodes that
// start at once agree on one. Blocks; called at start. May throw db::Failure.
Result<void> prove_shared(db::Database& database, const std::string& data_dir, Millis now);

}  // namespace fluxgate::app

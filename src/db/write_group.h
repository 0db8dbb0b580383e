// Many closures, one COMMIT (DESIGN §5.1). The writer thread's step, and the simulation's.
#pragma once

#include <functional>
#include <memory>

#include "db/sqlite_connection.h"

namespace fluxgate::db {

// Runs the closures that `next` gives, in order and in one transaction, until it gives none; then all are finished.
// If one fails after writing, or the COMMIT does, nothing of the group stands: each runs again in a transaction of
// its own, and only its own caller hears of its failure.
void run_group(SqliteConnection& connection, const std::function<std::shared_ptr<Job>()>& next);

}  // namespace fluxgate::db

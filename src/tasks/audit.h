// Everything that must hold in the database, whatever happened: the books (credits::audit), what is counted of files
// (files::audit), and that tasks, their files, batches, events and keys fit together. What `fluxgate db verify` checks.
#pragma once

#include <string>
#include <vector>

#include "db/database.h"

namespace fluxgate::tasks {

// What does not hold, a sentence each; empty when all is well. Reads whole tables.
std::vector<std::string> audit(db::Tx& tx);

}  // namespace fluxgate::tasks

// SQLite behind Database: one writer thread that groups closures into transactions, one read-only
// connection for each thread that reads, and a thread for checkpoints. DESIGN §5.1.
#pragma once

#include <memory>
#include <string>

#include "db/database.h"

namespace fluxgate::db {

// `path` is a file, or ":memory:" (then reads run on the writer's thread too).
std::unique_ptr<Database> open_sqlite(const std::string& path, OpenOptions options);

}  // namespace fluxgate::db

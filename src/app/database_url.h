// Which database is meant: --database-url or DATABASE_URL; or Open WebUI's parts DATABASE_TYPE, DATABASE_USER,
// DATABASE_PASSWORD, DATABASE_HOST, DATABASE_PORT, DATABASE_NAME when all are set (spec/seed-db.md §1.1); or
// DATA_DIR/webui.db. DATABASE_SCHEMA names the schema on PostgreSQL. URLs are read as SQLAlchemy reads them, and where
// the original's compose file has a slash too few, as it was meant: of a relative path and its absolute twin the one
// that exists is taken, with a warning; where both do, or neither has a folder, the operator is asked.
#pragma once

#include <string>

#include "app/config.h"
#include "base/result.h"

namespace fluxgate::app {

// Refuses parts that are incomplete, or that name another database than DATABASE_URL does.
Result<std::string> database_url(const Config& config);

}  // namespace fluxgate::app

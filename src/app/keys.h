// The installation's two secrets (identity/secrets.h) for whoever has its database open. One that is neither given nor kept
// is made only in the data folder whose files the database knows, or where nothing would be missed without it: in another, an
// unmounted one most likely, it would open nothing that is stored. That is refused, data_folder_elsewhere, and nothing is written.
#pragma once

#include <string>

#include "app/config.h"
#include "base/result.h"
#include "db/database.h"

namespace fluxgate::app {

Result<std::string> session_secret(const Config& config, db::Database& database);
Result<std::string> master_key(const Config& config, db::Database& database);

}  // namespace fluxgate::app

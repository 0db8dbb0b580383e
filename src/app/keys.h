// The installation's two secrets (identity/secrets.h) for whoever has its database open. One that is neither given nor kept
// is made only where nothing would be missed: no master key while keys are sealed with another, and none of both in a
// folder that is not the one whose files the database knows, or that the living nodes have; an unmounted one, most likely.
// That is refused, key_not_here, and nothing is written.
#pragma once

#include <string>

#include "app/config.h"
#include "base/result.h"
#include "db/database.h"

namespace fluxgate::app {

Result<std::string> session_secret(const Config& config, db::Database& database);
Result<std::string> master_key(const Config& config, db::Database& database);

}  // namespace fluxgate::app

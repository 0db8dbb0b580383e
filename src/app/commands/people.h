// What the commands about users share.
#pragma once

#include "app/config.h"
#include "app/workspace.h"
#include "base/clock.h"
#include "identity/console.h"

namespace fluxgate::app {

// The console on an open database; new accounts open with config.default_credit.
identity::Console open_console(const Config& config, db::Database& database);

}  // namespace fluxgate::app

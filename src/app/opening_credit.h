// What a new account opens with: as given at start (CREDIT_DEFAULT_CREDIT), else as the settings of the database say
// (`credit.default_credit`, a number or a text; spec/seed-db.md §15), else nothing.
#pragma once

#include <optional>
#include <string>

#include "base/money.h"
#include "db/database.h"

namespace fluxgate::app {

// `given`: checked when it was read. A stored value that is no amount counts as none.
Credits opening_credit(db::Tx& tx, const std::optional<std::string>& given);

}  // namespace fluxgate::app

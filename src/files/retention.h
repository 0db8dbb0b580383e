// Files that are deleted because of their age, by the admin's rules.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "db/database.h"
#include "files/rules.h"

namespace fluxgate::files {

// Ids of those that are due, the oldest first, at most `limit` for each rule.
std::vector<std::string> outdated(db::Tx& tx, const Retention& rules, Millis now, int limit);

}  // namespace fluxgate::files

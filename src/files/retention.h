// Files that are deleted because of their age, by the admin's rules, or because their owner's account was closed.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "db/database.h"
#include "files/rules.h"

namespace fluxgate::files {

// Ids of those that are due, the oldest first, at most `limit` for each rule.
std::vector<std::string> outdated(db::Tx& tx, const Retention& rules, Millis now, int limit);

// The same of files whose owner's account was closed (fg_once "closed:<user id>", written with the closing), in any order.
std::vector<std::string> of_closed_accounts(db::Tx& tx, int limit);

}  // namespace fluxgate::files

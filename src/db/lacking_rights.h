// Whether the role of DATABASE_URL may do its work on the tables that are there. One that may only look gets far enough
// to be told by some closure, later, in the server's words.
#pragma once

#include <optional>

#include "base/text.h"
#include "db/database.h"

namespace fluxgate::db {

// What the role lacks and how to give it, for the operator; nullopt when nothing. SQLite knows no roles.
std::optional<Text> lacking_rights(Tx& tx);

}  // namespace fluxgate::db

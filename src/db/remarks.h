// What no statement of ours mends and the operator has to hear of before anything is changed, or while it serves. Lines of
// level error stop a repair; the others are warnings.
//
// Errors: an encoding that is not UTF8; a view that is not ours, or an index or sequence, under a name that is ours or of a
// table to be taken over; a trigger of others that writes to such a name. Warnings: other triggers on tables that stay,
// settings of Open WebUI's that cannot be read.
//
// A view is ours when it says so (its comment, PostgreSQL) or reads a table whose name begins with fg_. What a trigger
// writes to is looked for in its text, so a name that it puts together is not seen.
#pragma once

#include "db/adopt/adopt.h"
#include "db/database.h"

namespace fluxgate::db {

adopt::Lines remarks(Tx& tx);

}  // namespace fluxgate::db

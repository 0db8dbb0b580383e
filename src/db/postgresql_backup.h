// What a backup on PostgreSQL is, and how one is put back: copies of tables in a schema fluxgate_backup_<time>, whose
// comment says whether it has all that is ours. In the caller's transaction; for postgresql_care.cpp.
#pragma once

#include <string>
#include <vector>

#include "db/care.h"

namespace fluxgate::db {

// `wanted`: tables that are going to be changed; empty = all that are ours.
Backup back_up(Tx& tx, Millis now, const std::vector<std::string>& wanted);
// Throws CareFailure when there is none of that name, beside running nodes, and when a view of the operator's is in the way.
Restored put_back(Tx& tx, const std::string& backup, Millis now);

// What autovacuum would do within the minute: until then every statement is planned as if the tables were empty.
void analyze_ours(Tx& tx);

}  // namespace fluxgate::db

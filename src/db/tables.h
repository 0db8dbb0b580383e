// The tables by concern; schema.h joins them.
#pragma once

#include <vector>

#include "db/schema.h"

namespace fluxgate::db {

std::vector<Table> task_tables();    // tasks, attempts, results, batches, idempotency
std::vector<Table> money_tables();   // accounts, entries, codes
std::vector<Table> people_tables();  // our side of users, access keys, counters, events
std::vector<Table> system_tables();  // uploads, upstream accounts, settings, nodes, statistics, audit
std::vector<Table> storage_tables(); // objects, quotas, stores
std::vector<Table> shared_tables();  // Open WebUI's and the fork's shapes

}  // namespace fluxgate::db

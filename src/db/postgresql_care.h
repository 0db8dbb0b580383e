#pragma once

#include <memory>
#include <string>

#include "db/care.h"

namespace fluxgate::db {

// Backups are schemas beside the tables' own: nothing else would be sure to be at hand where a server is managed by
// others. The password of nobody is in them that was not in the tables.
std::unique_ptr<Care> postgresql_care(std::string url);

}  // namespace fluxgate::db

#pragma once

#include <memory>
#include <string>

#include "db/care.h"

namespace fluxgate::db {

// `path` as sqlite_path (sqlite_path.h) has it.
std::unique_ptr<Care> sqlite_care(std::string path);

}  // namespace fluxgate::db

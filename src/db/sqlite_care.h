#pragma once

#include <memory>
#include <string>

#include "db/care.h"

namespace fluxgate::db {

std::unique_ptr<Care> sqlite_care(std::string path);

}  // namespace fluxgate::db

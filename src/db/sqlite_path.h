// Which file a URL means: by the name it has itself, whatever links lead to it.
#pragma once

#include <optional>
#include <string>

namespace fluxgate::db {

// Absolute, without links: what lies beside the file (its lock, its log, its backups) lies beside it for everybody, and
// no name is one that SQLite would read as a URI. The file need not exist. nullopt: the URL does not begin with
// sqlite:///.
std::optional<std::string> sqlite_path(const std::string& url);

}  // namespace fluxgate::db

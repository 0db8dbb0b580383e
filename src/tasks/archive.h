// Tasks that leave the database, kept as compressed lines of JSON: DATA_DIR/archive/tasks-<day>-<id>.jsonl.gz, mode
// 0600. A file is complete once it has its name. After a crash between writing and deleting a task stands in two
// files; readers take the first line of an id.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "tasks/retention.h"

namespace fluxgate::tasks {

// One line: {"task", "files", "attempts"}.
boost::json::object archive_line(const Leaving& leaving);

// Writes and syncs; the file's path. Blocks: never on an I/O thread. Errors: internal archive_failed.
Result<std::string> write_archive(const std::filesystem::path& folder, const std::vector<Leaving>& leaving, Millis now);

}  // namespace fluxgate::tasks

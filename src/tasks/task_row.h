// A row of fg_task as a Task. Internal to this folder.
#pragma once

#include <string>
#include <string_view>

#include "db/database.h"
#include "tasks/task.h"

namespace fluxgate::tasks {

// "SELECT <all columns read_task expects> FROM fg_task " and `rest`.
std::string select_tasks(std::string_view rest);

Task read_task(const db::Row& row);

// Stored JSON; what cannot be read is null, what is no object is an empty one.
boost::json::value parse_or_null(std::string_view text);
boost::json::object parse_object(std::string_view text);

}  // namespace fluxgate::tasks

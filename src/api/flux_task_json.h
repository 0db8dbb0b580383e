// A task as the FLUX endpoints show it: the members of the original (spec/seed-api.md §2.6), then ours —
// every image, sizes, seed, cost, progress, the error in detail, the actions now possible, `rev`.
//
// Times are ISO 8601 in UTC without a zone, credits are numbers. Links work without a token until they
// expire; they start with "/" unless the server knows its public URL.
#pragma once

#include <boost/json.hpp>

#include "api/context.h"
#include "base/clock.h"
#include "base/text.h"
#include "files/files.h"
#include "tasks/task.h"

namespace fluxgate::api {

struct TaskShow {
  const files::Files& files;
  std::string link_prefix;  // the public URL, or ""
  Millis now = 0;
  Language language = Language::en;
};

TaskShow show_for(const Api& api, const http::Request& request);

boost::json::object flux_task_json(const tasks::TaskView& view, const TaskShow& show);

// A seed as a number where every JSON reader keeps it exact, else as text; null for "".
boost::json::value seed_json(std::string_view seed);

}  // namespace fluxgate::api

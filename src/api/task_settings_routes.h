// /api/v1/admin/scheduling and /api/v1/admin/result-cache: the rules tasks live by, for administrators. A PUT
// replaces all of it; `rev` is the revision that was read, and 409 `changed_meanwhile` says that it is old.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_task_settings_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

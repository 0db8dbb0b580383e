// What administrators decide about files: quotas and retention, and who keeps how much. /api/v1/admin/files.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_file_admin_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

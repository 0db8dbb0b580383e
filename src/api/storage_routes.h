// Where files are kept, and the caller's files: /api/v1/storage (spec/seed-api.md §9). The original's two endpoints
// under /internal are not there: anybody could make it fetch and publish any URL by them.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_storage_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

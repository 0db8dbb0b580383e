// What belongs to the whole server: its configuration for pages (spec/seed-api.md §1), version and health,
// the way in at "/", and the answer to paths that do not exist.
//
// Not as in the original: GET /api/config knows the caller by bearer token as well as by cookie, and gives no
// provider's keys away; unknown paths are a 404 in JSON.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

// Whether the server lives, for those who watch over it; a part of the others.
void add_health_routes(http::Router& router, const ApiPtr& api);
void add_system_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

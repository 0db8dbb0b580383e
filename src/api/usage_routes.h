// What was used and what it cost, by hour or day, from the roll-ups (stats/usage.h): a member's own, and an
// administrator's view of all.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_usage_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

// POST /hooks/{attempt}/{mac}: upstreams report here (DESIGN §4). The path is a secret we made; whether the
// body is believed is the engine's decision. Public: nobody signs in.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_hook_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

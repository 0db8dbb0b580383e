// /api/v1/flux: what the provider offers and costs, whether it works, and how an admin sets it up
// (spec/seed-api.md §2.1, §2.2, §2.8).
//
// Not as in the original: health and the connection test cost nothing; health speaks from what the engine
// knows of the account and asks no upstream; keys are write-only.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_flux_config_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

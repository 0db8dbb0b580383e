// /api/v1/batches: many tasks at once. A batch is a list of requests, or one request with choices in its prompt
// ("a {red|blue} cat") and lists of values for its parameters (`sweep`); at most 1 000 tasks. All are accepted
// and held in one transaction; afterwards each lives and fails alone.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_batch_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

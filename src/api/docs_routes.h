// GET /api/openapi.json and /api/docs: the contract for programs and for people.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_docs_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

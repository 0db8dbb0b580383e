// /api/v1/credit: the caller's ledger and the settings of the shop (spec/seed-api.md §8.1).
//
// Not as in the original: an entry shows the amount besides the balance after it, and which task it belongs
// to; what is set aside for a task is an entry of its own.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_credit_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

// /api/v1/flux: submit, follow, cancel and list tasks (spec/seed-api.md §2.4, §2.6).
//
// Not as in the original: every submit takes an Idempotency-Key and may wait for its result
// (`sync_mode`, at most 60 s); refusals have their own statuses; another's task is a 404; history takes
// the cursor of the page before, and page numbers only to row 10 000.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_flux_routes(http::Router& router, const ApiPtr& api);

// `limit` and either `page` or `cursor`, and `status` in the original's words.
Result<tasks::HistoryQuery> read_history_query(const http::Request& request);

// The Idempotency-Key header: "" when absent; invalid unless 1 to 255 printable ASCII characters.
Result<std::string> read_idempotency_key(const http::Request& request);

}  // namespace fluxgate::api

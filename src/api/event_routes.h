// GET /api/v1/events: what happens to the caller's things (DESIGN §5.2), as a stream of server-sent events
// (WHATWG HTML §9.2) or, with `since`, as JSON.
//
// Every stored event carries its number as `id`; a client that comes back with Last-Event-ID misses none.
// `hello` opens every stream with the number to go on from. `reset` says that numbers are missing: read
// everything again. `task.progress` is passing news without a number. `draining` says that the server is
// going down: come back. A comment every 15 s keeps proxies from closing the line.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_event_routes(http::Router& router, const ApiPtr& api);

// One event in the stream's form. Passing news have no id, so that a client's place stays where it was.
std::string sse_event(std::string_view type, std::optional<std::int64_t> id, std::string_view data);

}  // namespace fluxgate::api

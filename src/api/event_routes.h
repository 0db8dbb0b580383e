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

// Who listens, to what, from where.
struct Listener {
  ApiPtr api;
  std::string user_id, token, path;   // of the caller: the token's end is the stream's
  std::string batch_id = {};          // "" = everything; else this batch alone, and the stream ends with it
  bool ended = false;                 // that batch has ended: after `hello` and what is kept there is no more
  boost::json::object hello = {};     // said first, besides the stream's own members
  std::optional<std::int64_t> since = {};  // unset: from now on
};
http::Response event_stream(Listener listener);

// Last-Event-ID as browsers send it, or `last_event_id` for those who cannot set headers.
Result<std::optional<std::int64_t>> read_last_id(const http::Request& request);

// One event in the stream's form. Passing news have no id, so that a client's place stays where it was.
std::string sse_event(std::string_view type, std::optional<std::int64_t> id, std::string_view data);

}  // namespace fluxgate::api

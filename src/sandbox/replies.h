// The upstream's error answers (§1.8, §4) and the playing of faults that are the same at every stage.
#pragma once

#include <optional>
#include <string_view>

#include "http/server.h"
#include "sandbox/faults.h"

namespace fluxgate::sandbox {

struct Service;

// {"detail": "..."}
http::Response detail_reply(int status, std::string_view detail);
// {"status": "NOT_FOUND"}
http::Response not_found_reply();
// A platform error with error_type and the headers that go with it (§4.3).
http::Response platform_error(int status, std::string_view request_id);
http::Response balance_reply();

// Faults that stand in for the work: nothing is accepted, nothing changes. nullopt = do the work.
awaitable<std::optional<http::Response>> play_before(Service& service, Fault fault, std::string request_id);
// Faults that spoil the answer after the work was done.
awaitable<http::Response> play_after(Service& service, Fault fault, http::Response response);

}  // namespace fluxgate::sandbox

// What fal says when it works: submit answers, status objects, results (§1.4, §2, §3).
#pragma once

#include "providers/adapter.h"

namespace fluxgate::providers::fal {

// The answer to a submit that was 2xx. Without a readable request id nobody can tell whether the work was
// taken: retry, took maybe.
Outcome read_submit(const HttpResponse& response, std::string_view endpoint_path);

// A status object: Working, Failed, Done when pictures stand in it, or nullopt: finished, ask for the result.
std::optional<Outcome> read_status(const HttpResponse& response);

// A result: Done, or Failed.
Outcome read_result(const HttpResponse& response);
Outcome read_output(const boost::json::object& output);

}  // namespace fluxgate::providers::fal

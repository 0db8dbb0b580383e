// What fal says when it works: submit answers, status objects, results (§1.4, §2, §3). Every member may be
// absent, null or of another type; what cannot be used is treated as absent. Numbers are bounded, lists are
// cut, links are absolute http(s) or data URIs, which are decoded here.
#pragma once

#include "providers/adapter.h"

namespace fluxgate::providers::fal {

// The answer to a submit that was 2xx. Without a readable request id nobody can tell whether the work was
// taken: retry, took maybe, which the engine treats as unknown.
Outcome read_submit(const HttpResponse& response, const Job& job, const Account& account);

// The request has ended; its result has to be asked for.
struct AskResult {
  bool badly = false;  // the status already says that it went wrong (§2.1)
};
// A status object. Pictures that stand in it are taken (§8.5). Words that nobody documented mean "still
// working".
std::variant<AskResult, Outcome> read_status(const HttpResponse& response);

// A result: Done, or why not. `badly` as the status said.
Outcome read_result(const HttpResponse& response, bool badly);

// The model's bare output, or the older envelope around it (§1.6).
Outcome read_output(const boost::json::object& output);

}  // namespace fluxgate::providers::fal

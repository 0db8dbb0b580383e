// The queue's operations as calls, independent of how they were addressed: directly, below /run/ for
// the synchronous host, or through the clients' proxy protocol (spec/upstream-fal.md §1.3, §1.12).
#pragma once

#include <optional>
#include <span>
#include <string>

#include "http/server.h"
#include "sandbox/queue_path.h"
#include "sandbox/service.h"

namespace fluxgate::sandbox {

struct QueueCall {
  std::string method;
  std::string path;
  bool synchronous = false;  // the host fal.run: answer with the result itself
  std::optional<std::string> logs, webhook, max_queue_length;
};

// Dispatches to one of the following.
awaitable<Result<http::Response>> answer_queue(Service& service, http::Request& request, QueueCall call);

// Submit and synchronous run (queue_submit.cpp).
awaitable<Result<http::Response>> answer_submit(Service& service, http::Request& request, QueueCall call,
                                                std::string endpoint);

// Follow-ups (queue_follow.cpp). `faults`: the record's own and those of this call's header.
struct FollowUp {
  Record record;
  std::string base;
  std::vector<Fault> faults;
  bool with_logs = false;
};
awaitable<http::Response> answer_status(Service& service, FollowUp call);
awaitable<http::Response> answer_result(Service& service, FollowUp call);
awaitable<http::Response> answer_cancel(Service& service, FollowUp call);
// Server-sent events until the request is finished (queue_stream.cpp).
awaitable<http::Response> answer_stream(Service& service, FollowUp call);

// The faults of X-Sandbox-Fault.
Result<std::vector<Fault>> header_faults(const http::Request& request);
http::Response with_request_id(http::Response response, std::string_view id);

}  // namespace fluxgate::sandbox

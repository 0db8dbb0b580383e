// All paths of the sandbox. The service outlives the router.
#pragma once

#include "http/server.h"
#include "sandbox/service.h"

namespace fluxgate::sandbox {

void add_queue_routes(Service& service, http::Router& router);    // routes.cpp: queue, run, proxy, keys
void add_media_routes(Service& service, http::Router& router);    // media_routes.cpp: pictures
void add_upload_routes(Service& service, http::Router& router);   // upload_routes.cpp
void add_insight_routes(Service& service, http::Router& router);  // insight_routes.cpp: /_sandbox/…

// Starts an upload as the REST host does; also reached through the proxy.
awaitable<Result<http::Response>> initiate_upload(Service& service, http::Request& request);

}  // namespace fluxgate::sandbox

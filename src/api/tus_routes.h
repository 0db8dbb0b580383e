// Uploads that can be resumed, by tus 1.0.0 (https://tus.io): core, creation, creation-with-upload, expiration,
// checksum, termination; docs/uploads.md shows them in use. Beyond the protocol, GET tells how an upload stands.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_tus_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

// /api/v1/auths: coming in and going, the caller's profile, password and access keys, and the settings an
// administrator changes (spec/seed-api.md §12.2).
//
// Not as in the original: GET / takes the cookie too; a role too low is 403, not 401; an access key is shown
// once, when made, and GET api_key shows its first digits only; tokens end; wrong settings are refused.
#pragma once

#include "api/people.h"

namespace fluxgate::api {

void add_auth_routes(http::Router& router, const std::shared_ptr<const People>& people);

}  // namespace fluxgate::api

// /api/v1/users: the list an administrator works with, one user, their credit, and the caller's own free
// settings (spec/seed-api.md §13).
//
// Not as in the original: access keys and provider subjects are never listed, `total` counts what matches,
// roles are checked, unknown users are 404 and the protected first admin is 403.
#pragma once

#include "api/people.h"

namespace fluxgate::api {

void add_user_routes(http::Router& router, const std::shared_ptr<const People>& people);

}  // namespace fluxgate::api

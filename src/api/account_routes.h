// /api/v1/admin/upstream-accounts: the accounts tasks are sent by. A provider has any number of them; each has a
// weight, a limit of tasks at work and a key that can be written and never read. With the account comes its
// health: what submits to it really came to. The environment's account is shown and cannot be changed here; the
// original's flux/config edits the account "flux-default".
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_account_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

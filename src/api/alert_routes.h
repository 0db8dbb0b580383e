// /api/v1/admin/alerts: what an administrator has to look at (notify/alerts.h).
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_alert_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

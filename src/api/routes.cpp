#include "api/routes.h"

#include "api/auth_routes.h"
#include "api/context.h"
#include "api/flux_routes.h"
#include "api/people.h"
#include "api/system_routes.h"
#include "api/user_routes.h"

namespace fluxgate::api {

void add_routes(http::Router& router, Parts parts) {
  Guard guard(parts.identity, parts.info.public_url);
  const bool secure = parts.info.public_url.starts_with("https://");
  const auto people = std::make_shared<const People>(
      People{parts.identity, parts.database, parts.clock, parts.hub, guard, secure});
  const auto api = std::make_shared<const Api>(Api{std::move(parts), std::move(guard)});

  add_auth_routes(router, people);
  add_user_routes(router, people);
  add_flux_routes(router, api);
  add_system_routes(router, api);
}

}  // namespace fluxgate::api

#include "api/routes.h"

#include "api/account_routes.h"
#include "api/alert_routes.h"
#include "api/auth_routes.h"
#include "api/batch_routes.h"
#include "api/context.h"
#include "api/credit_routes.h"
#include "api/direct_upload_routes.h"
#include "api/docs_routes.h"
#include "api/event_routes.h"
#include "api/file_admin_routes.h"
#include "api/file_routes.h"
#include "api/flux_config_routes.h"
#include "api/flux_routes.h"
#include "api/hook_routes.h"
#include "api/people.h"
#include "api/storage_routes.h"
#include "api/system_routes.h"
#include "api/task_settings_routes.h"
#include "api/tus_routes.h"
#include "api/upload_routes.h"
#include "api/usage_routes.h"
#include "api/user_routes.h"

namespace fluxgate::api {

namespace {

ApiPtr make_api(Parts parts) {
  Guard guard(parts.identity, parts.info.public_url);
  auto flux = std::make_shared<ProviderPage>(parts, "flux");
  return std::make_shared<const Api>(Api{std::move(parts), std::move(guard), std::move(flux)});
}

}  // namespace

void add_worker_routes(http::Router& router, Parts parts) {
  add_health_routes(router, make_api(std::move(parts)));
  router.fallback([](http::Request&) -> Answer {
    co_return fail(Errc::not_found, "worker_node",
                   {"This node works on tasks and answers /health alone. Ask a node of the role api or all.",
                    "该节点只执行任务，仅响应 /health。请访问角色为 api 或 all 的节点。"});
  });
}

void add_routes(http::Router& router, Parts parts) {
  const bool secure = parts.info.public_url.starts_with("https://");
  const auto api = make_api(std::move(parts));
  const auto people = std::make_shared<const People>(
      People{api->parts.identity, api->parts.database, api->parts.clock, api->parts.hub, api->guard, secure});

  add_auth_routes(router, people);
  add_user_routes(router, people);
  add_flux_routes(router, api);
  add_flux_config_routes(router, api);
  add_batch_routes(router, api);
  add_task_settings_routes(router, api);
  add_usage_routes(router, api);
  add_account_routes(router, api);
  add_alert_routes(router, api);
  add_upload_routes(router, api);
  add_tus_routes(router, api);
  add_direct_upload_routes(router, api);
  add_file_routes(router, api);
  add_storage_routes(router, api);
  add_file_admin_routes(router, api);
  add_event_routes(router, api);
  add_credit_routes(router, api);
  add_hook_routes(router, api);
  add_system_routes(router, api);
  add_docs_routes(router, api);
}

}  // namespace fluxgate::api

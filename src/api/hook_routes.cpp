#include "api/hook_routes.h"

#include "base/crypto.h"

namespace fluxgate::api {
namespace {

constexpr std::size_t kBodyLimit = 20 * 1024 * 1024;  // pictures may come inline

Answer receive(const Api& api, http::Request& request) {
  const std::string attempt(request.param("attempt"));
  const std::string mac(request.param("mac"));
  // Before a byte of the body is read.
  if (!crypto::equal_constant_time(api.parts.engine.hook_mac(attempt), mac))
    co_return fail(Errc::not_found, "not_found", {"There is nothing at this path.", "该路径不存在。"});
  auto read = co_await request.read_body(kBodyLimit);
  FLUX_CO_TRY(body, std::move(read));
  const bool ours = co_await api.parts.tasks.webhook(attempt, mac, request.header_list(), std::move(body));
  FLUX_ASSERT(ours);
  co_return private_json({{"status", true}});
}

}  // namespace

void add_hook_routes(http::Router& router, const ApiPtr& api) {
  router.post("/hooks/{attempt}/{mac}", bind(api, receive));
}

}  // namespace fluxgate::api

// What the handlers of one server share, and how a plain function becomes a route's handler.
#pragma once

#include <atomic>
#include <memory>

#include "api/provider_page.h"
#include "api/routes.h"

namespace fluxgate::api {

struct Api {
  Parts parts;
  Guard guard;
  std::shared_ptr<ProviderPage> flux;
  // Whether anybody ever signed up; once true it stays so.
  std::shared_ptr<std::atomic<bool>> seen_users = std::make_shared<std::atomic<bool>>(false);
};
using ApiPtr = std::shared_ptr<const Api>;

using Answer = awaitable<Result<http::Response>>;
using ApiHandler = Answer (*)(const Api&, http::Request&);

// The route shares the ownership of `api`.
inline http::Handler bind(ApiPtr api, ApiHandler handler) {
  return [api = std::move(api), handler](http::Request& request) { return or_unavailable(handler(*api, request)); };
}

// Whose things a caller may see: their own, or with "" everyone's.
inline std::string scope_of(const identity::Principal& principal) {
  return principal.is_admin() ? std::string() : principal.user_id;
}

// A refusal of one header, query parameter or path segment: loc = [where, name].
std::unexpected<Error> refuse_field(std::string where, std::string name, std::string type, Text message,
                                    boost::json::value input = nullptr, boost::json::object context = {});

}  // namespace fluxgate::api

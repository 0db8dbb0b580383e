// Where a request lives. Only the owner and the application stand in follow-up addresses, never the
// sub-path of the model (§1.3); the host is always the account's, whatever the answer names, because a
// clone's answers name fal's host and the clone's key must not go there (§8.1, §8.2).
#pragma once

#include <string>
#include <string_view>

#include "providers/adapter.h"

namespace fluxgate::providers::fal {

// "fal-ai/flux-pro" of "fal-ai/flux-pro/kontext/max".
std::string application_of(std::string_view endpoint_path);

// The reference of an accepted request: {"request_id", "status_path", "response_path", "cancel_path"}.
// Addresses in `answer` are used where their path is one of this request; else built from the model.
boost::json::object reference_of(const boost::json::object& answer, std::string_view request_id, std::string_view endpoint_path);

// base + path, with one slash between.
std::string address(const Account& account, std::string_view path);
std::string authorization(const Account& account);
bool is_fal_host(std::string_view base_url);

}  // namespace fluxgate::providers::fal

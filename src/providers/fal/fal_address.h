// Where a request lives, and who asks. Only the owner and the application stand in follow-up addresses, never
// the sub-path of the model (§1.3); the host is always the account's, whatever an answer names, because a
// clone's answers name fal's host and the clone's key must not go there (§8.1, §8.2).
#pragma once

#include <string>
#include <string_view>

#include "providers/adapter.h"

namespace fluxgate::providers::fal {

// "fal-ai/flux-pro" of "fal-ai/flux-pro/kontext/max"; three segments under workflows/ and comfy/ (§1.2).
std::string application_of(std::string_view endpoint_path);

// Request ids become part of paths: letters, digits, "-", "_" and ".", at most 200 of them.
bool is_request_id(std::string_view id);

// What finds an accepted request again: {"request_id", "app", "status_path", "response_path", "cancel_path"}.
// Paths only, below the account's base. Links in `answer` are used where their path is one of this request's
// (§8.2), else the path is built from the application.
boost::json::object reference_of(const boost::json::object& answer, std::string_view request_id,
                                 std::string_view endpoint_path, const Account& account);

// The path that every deployment of the service should know, for when the one it returned is refused (405,
// §1.3). `ending` is "", "/status" or "/cancel". "" when the reference names no request.
std::string built_path(const boost::json::object& reference, std::string_view ending);

// The account's base and a path, with one slash between.
std::string address(const Account& account, std::string_view path);

// "Key id:secret" for fal's hosts and for loopback (the sandbox), "Bearer …" for everybody else, unless the
// account's settings say {"auth": "key"} or {"auth": "bearer"} (§1.8, §8.1).
std::string authorization(const Account& account);
bool is_fal_host(std::string_view base_url);

}  // namespace fluxgate::providers::fal

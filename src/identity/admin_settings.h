// The settings an administrator changes while the server runs: the subset of Open WebUI's admin
// configuration that this product uses or keeps for it, under its names (spec/seed-api.md §12.2
// `admin/config`, spec/seed-db.md §15).
//
// A value given at start (flag, environment or file) wins over a stored one, which wins over the
// default; so what an operator writes down is what runs, also on an adopted database that stored
// something else. Such a value cannot be changed while the server runs.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "identity/principal.h"
#include "identity/settings.h"

namespace fluxgate::identity {

// What the operator gave at start; unset = not given.
struct GivenSettings {
  std::optional<bool> enable_signup;
  std::optional<std::string> default_user_role;
  std::optional<std::string> jwt_expires_in;
  std::optional<std::string> webui_url;
  std::optional<bool> enable_api_key;
};

// What identity itself reads from them.
struct AccountSettings {
  bool enable_signup = true;
  bool enable_login_form = true;
  bool enable_api_key = true;
  Role default_role = Role::pending;
  std::chrono::milliseconds session_lifetime{};  // zero = never ends
  std::vector<std::string> email_domains;        // empty = any
  // Paths that keys are confined to; nullopt = none.
  std::optional<std::vector<std::string>> key_paths;
};
AccountSettings account_settings(const boost::json::object& stored, const GivenSettings& given);

// Every setting under its public name with the value in force: the body of GET admin/config.
boost::json::object admin_settings(const boost::json::object& stored, const GivenSettings& given);

// The writes that make `wanted` (public names) true. Members it does not name stay; unknown ones are
// ignored. invalid for a wrong type, role or duration; conflict `given_at_start` for another value of a
// setting the operator gave.
Result<SettingChanges> admin_changes(const boost::json::object& wanted, const boost::json::object& stored,
                                     const GivenSettings& given);

}  // namespace fluxgate::identity

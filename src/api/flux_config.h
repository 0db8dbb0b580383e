// The FLUX provider's configuration in the two shapes that the original's endpoints speak
// (spec/seed-api.md §2.2): snake_case with seconds, and camelCase with milliseconds. Reading a form, what
// it makes of what is stored, and both ways to show it. Pure.
//
// Not as in the original: the key is write-only (both shapes show a mask, and the mask posted back keeps
// the key); a member that is absent keeps what is stored; wrong values are refused.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "api/support.h"
#include "catalogue/catalogue.h"
#include "tasks/accounts.h"

namespace fluxgate::api {

enum class ConfigShape { snake, camel };

inline constexpr std::string_view kFluxBaseUrl = "https://queue.fal.run";
inline constexpr std::string_view kFluxDefaultModel = "fal-ai/flux-1/dev";

// What is stored; either part may be missing.
struct FluxConfig {
  std::optional<tasks::UpstreamAccount> account;
  std::optional<tasks::ProviderSettings> settings;
};

// What an admin sends; unset members stay as they are.
struct ConfigForm {
  std::optional<std::string> api_key, base_url, default_model;
  std::optional<bool> enabled;
  std::optional<int> timeout_s, max_concurrent;
  std::optional<std::map<std::string, Credits>> model_credits;
};

// Errors: invalid with every wrong member. `enabled` defaults as in the original of that shape.
Result<ConfigForm> read_config_form(const boost::json::object& body, ConfigShape shape,
                                    const catalogue::Catalogue& catalogue);

// An upstream's base URL as it is kept, without trailing slashes; nullopt when it is none.
std::optional<std::string> clean_base_url(std::string_view url);

// What to store. `prices` are the ones in force: a posted price that equals them is no override. Errors:
// invalid when the mask is not that of the stored key, when a kept key would go to another base URL (it
// could be read there), or when the provider would be on without a key.
Result<FluxConfig> apply_form(const ConfigForm& form, const FluxConfig& stored, ConfigShape shape,
                              const std::map<std::string, Credits>& prices);

// The first characters of a key and asterisks; "" for none.
std::string mask_key(std::string_view key);
// The key that a form means: the stored one when its mask was sent.
Result<std::string> meant_key(const std::string& posted, std::string_view base_url, const FluxConfig& stored,
                              std::string_view member);

// Per image, for every model of the provider: the base of its price.
std::map<std::string, Credits> prices_in_force(const catalogue::Catalogue& catalogue);
boost::json::object model_credits_json(const std::map<std::string, Credits>& prices);

boost::json::object show_config(const FluxConfig& config, ConfigShape shape,
                                const std::map<std::string, Credits>& prices);

}  // namespace fluxgate::api

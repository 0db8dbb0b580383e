// One request that stands for many: choices in its prompt and lists of values for its parameters.
//
//   prompt "a {red|blue} {cat|dog}" with sweep {"seed": [1, 2]} is eight requests, in this order: the prompt's
//   first choice changes slowest, then its second, then the sweep's members as they stand.
//
// In a prompt, braces that hold a bar are choices; choices may be empty and may hold choices. "\{", "\|" and
// "\}" are the characters themselves; braces without a bar stay as they are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/result.h"

namespace fluxgate::tasks {

// Every reading of the prompt; nullopt when there are more than `limit`.
std::optional<std::vector<std::string>> expand_prompt(std::string_view prompt, std::size_t limit);

// The requests that `request` and `sweep` stand for. Errors: invalid at body/sweep or body/request/prompt, also
// when there would be more than `limit`.
Result<std::vector<boost::json::object>> expand(const boost::json::object& request, const boost::json::object& sweep,
                                                std::size_t limit);

}  // namespace fluxgate::tasks

// Tasks that the old system lost, and the credits it had taken for them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.h"

namespace fluxgate::db::adopt {

inline constexpr std::string_view kLost = "lost_by_previous_system";  // their error code

// What the task's owner reads. `cost` in thousandths.
Text lost_text(std::int64_t cost, bool given_back);
std::string text_json(const Text& text);

}  // namespace fluxgate::db::adopt

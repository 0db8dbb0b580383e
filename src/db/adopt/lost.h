// Tasks that the old system lost, and the credits it had taken for them.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/text.h"
#include "db/database.h"

namespace fluxgate::db::adopt {

inline constexpr std::string_view kLost = "lost_by_previous_system";  // their error code

// The old ids of tasks whose credits the old platform itself gave back, by its log and by lip-sync's own list: nothing is
// owed for them.
std::set<std::string> refunded_tasks(Tx& tx);

// What the task's owner reads. `cost` in thousandths.
Text lost_text(std::int64_t cost, bool given_back);
std::string text_json(const Text& text);

}  // namespace fluxgate::db::adopt

// The old platform's status words (spec/seed-api.md §15). Pure.
#pragma once

#include <string_view>

namespace fluxgate::db::adopt {

enum class Ended { succeeded, failed, cancelled, unfinished };

// The same for every provider: their vocabularies never contradict each other. Any case. Words that nobody knows
// (upstream words were stored as received) are unfinished.
Ended ended_by(std::string_view status);

}  // namespace fluxgate::db::adopt

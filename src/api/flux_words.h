// The words of the original's FLUX endpoints for the states of a task (spec/seed-api.md §2.6). The only
// place that knows both.
//
// `IN_QUEUE` and `IN_PROGRESS` are both our `running`: which of them the upstream last said is known while
// the task is followed, but not stored. So a filter by either finds what runs, whatever the upstream says
// of it at the moment.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "tasks/task.h"

namespace fluxgate::api {

std::string_view flux_word(tasks::TaskState state, bool upstream_running);

// The states a word may stand for; nullopt for what is no word (case matters, as in the original).
std::optional<std::vector<tasks::TaskState>> states_of_flux_word(std::string_view word);

// All words, for the sentence that refuses another.
inline constexpr std::string_view kFluxWords = "PENDING, IN_QUEUE, IN_PROGRESS, SUCCESS, FAILED, CANCELLED";

}  // namespace fluxgate::api

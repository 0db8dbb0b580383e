#include "api/flux_words.h"

namespace fluxgate::api {

using tasks::TaskState;

std::string_view flux_word(TaskState state, bool upstream_running) {
  switch (state) {
    case TaskState::queued:
    case TaskState::submitting:
    case TaskState::unknown: return "PENDING";
    case TaskState::running: return upstream_running ? "IN_PROGRESS" : "IN_QUEUE";
    case TaskState::storing: return "IN_PROGRESS";
    case TaskState::succeeded: return "SUCCESS";
    case TaskState::failed: return "FAILED";
    case TaskState::cancelled: return "CANCELLED";
  }
  return "FAILED";
}

std::optional<std::vector<TaskState>> states_of_flux_word(std::string_view word) {
  std::vector<TaskState> states;
  for (TaskState state : tasks::kAllTaskStates)
    if (flux_word(state, false) == word || flux_word(state, true) == word) states.push_back(state);
  if (states.empty()) return std::nullopt;
  return states;
}

}  // namespace fluxgate::api

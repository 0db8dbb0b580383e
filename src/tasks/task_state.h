// The life of a task: one table, for every provider (DESIGN §4). The API's words, the SQL and the
// documentation are tested against it.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace fluxgate::tasks {

enum class TaskState {
  queued,      // accepted and held; waiting for its turn, or being prepared
  submitting,  // the paid request is about to go out, or on its way
  unknown,     // the request went out and its answer was lost
  running,     // the upstream has it
  storing,     // the upstream is done; its results are being copied
  succeeded,
  failed,
  cancelled,
};

inline constexpr std::array kAllTaskStates = {TaskState::queued,  TaskState::submitting, TaskState::unknown,
                                              TaskState::running, TaskState::storing,    TaskState::succeeded,
                                              TaskState::failed,  TaskState::cancelled};

struct TaskMove {
  TaskState from;
  TaskState to;
};

inline constexpr std::array kTaskMoves = {
    TaskMove{TaskState::queued, TaskState::submitting},     // its turn
    TaskMove{TaskState::queued, TaskState::failed},         // cannot be prepared, or tried too often
    TaskMove{TaskState::queued, TaskState::cancelled},
    TaskMove{TaskState::submitting, TaskState::queued},     // nothing was accepted: again later
    TaskMove{TaskState::submitting, TaskState::unknown},    // the answer was lost
    TaskMove{TaskState::submitting, TaskState::running},    // accepted
    TaskMove{TaskState::submitting, TaskState::storing},    // answered with the result at once
    TaskMove{TaskState::submitting, TaskState::failed},     // refused
    TaskMove{TaskState::submitting, TaskState::cancelled},
    TaskMove{TaskState::unknown, TaskState::queued},        // policy: resubmit, once
    TaskMove{TaskState::unknown, TaskState::running},       // a webhook brought it back
    TaskMove{TaskState::unknown, TaskState::storing},
    TaskMove{TaskState::unknown, TaskState::failed},        // policy: give up, release
    TaskMove{TaskState::unknown, TaskState::cancelled},
    TaskMove{TaskState::running, TaskState::unknown},       // the upstream does not know it any more
    TaskMove{TaskState::running, TaskState::storing},
    TaskMove{TaskState::running, TaskState::failed},
    TaskMove{TaskState::running, TaskState::cancelled},
    TaskMove{TaskState::storing, TaskState::succeeded},
    TaskMove{TaskState::storing, TaskState::failed},        // the results cannot be had any more
};

constexpr bool can_move(TaskState from, TaskState to) {
  for (const TaskMove& move : kTaskMoves)
    if (move.from == from && move.to == to) return true;
  return false;
}

constexpr bool is_final(TaskState state) {
  return state == TaskState::succeeded || state == TaskState::failed || state == TaskState::cancelled;
}

constexpr std::string_view name(TaskState state) {
  switch (state) {
    case TaskState::queued: return "queued";
    case TaskState::submitting: return "submitting";
    case TaskState::unknown: return "unknown";
    case TaskState::running: return "running";
    case TaskState::storing: return "storing";
    case TaskState::succeeded: return "succeeded";
    case TaskState::failed: return "failed";
    case TaskState::cancelled: return "cancelled";
  }
  return "failed";
}

constexpr std::optional<TaskState> task_state(std::string_view text) {
  for (TaskState state : kAllTaskStates)
    if (name(state) == text) return state;
  return std::nullopt;
}

}  // namespace fluxgate::tasks

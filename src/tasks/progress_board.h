// What the engines know of tasks in flight beyond the database, for whoever shows them: this node's, and what others
// told (neighbours.h). Bounded: the word that a task has ended may be lost. Thread-safe.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>

#include "tasks/task.h"

namespace fluxgate::tasks {

class ProgressBoard {
 public:
  void put(const std::string& task_id, const Progress& progress) {
    std::lock_guard lock(mutex_);
    if (board_.size() >= kMost) board_.clear();  // it fills again with what is under way
    board_[task_id] = progress;
  }
  // False when nothing was known.
  bool erase(const std::string& task_id) {
    std::lock_guard lock(mutex_);
    return board_.erase(task_id) != 0;
  }
  Progress get(const std::string& task_id) const {
    std::lock_guard lock(mutex_);
    auto found = board_.find(task_id);
    return found == board_.end() ? Progress{} : found->second;
  }

  static constexpr std::size_t kMost = 200'000;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Progress> board_;
};

}  // namespace fluxgate::tasks

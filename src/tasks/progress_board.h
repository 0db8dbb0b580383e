// What the engine knows of tasks in flight beyond the database, for whoever shows them. Thread-safe.
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
    board_[task_id] = progress;
  }
  void erase(const std::string& task_id) {
    std::lock_guard lock(mutex_);
    board_.erase(task_id);
  }
  Progress get(const std::string& task_id) const {
    std::lock_guard lock(mutex_);
    auto found = board_.find(task_id);
    return found == board_.end() ? Progress{} : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Progress> board_;
};

}  // namespace fluxgate::tasks

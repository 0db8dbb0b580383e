// Tasks that have ended, kept for those who ask again. What has ended never changes, so the cache is right on
// every node without being told anything. Bounded; thread-safe.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "tasks/task.h"

namespace fluxgate::tasks {

class FinalCache {
 public:
  std::shared_ptr<const TaskView> find(const std::string& id) const {
    std::lock_guard lock(mutex_);
    auto found = views_.find(id);
    return found == views_.end() ? nullptr : found->second;
  }
  void put(const TaskView& view) {
    auto kept = std::make_shared<const TaskView>(view);
    std::lock_guard lock(mutex_);
    if (!views_.emplace(view.task.id, std::move(kept)).second) return;
    order_.push_back(view.task.id);
    if (order_.size() <= kSize) return;
    views_.erase(order_.front());  // oldest first: people look at what is new
    order_.pop_front();
  }

 private:
  static constexpr std::size_t kSize = 2'000;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const TaskView>> views_;
  std::deque<std::string> order_;
};

}  // namespace fluxgate::tasks

// Tasks that have ended, kept for those who ask again. What has ended does not change but in one thing: its files can be
// deleted. So it is known for five seconds at most, as all that another node may change. Bounded; thread-safe.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "tasks/task.h"

namespace fluxgate::tasks {

class FinalCache {
 public:
  static constexpr Millis kKept = 5'000;

  std::shared_ptr<const TaskView> find(const std::string& id, Millis now) const {
    std::lock_guard lock(mutex_);
    auto found = views_.find(id);
    return found == views_.end() || now - found->second.since > kKept ? nullptr : found->second.view;
  }
  void put(const TaskView& view, Millis now) {
    auto kept = std::make_shared<const TaskView>(view);
    std::lock_guard lock(mutex_);
    if (!views_.insert_or_assign(view.task.id, Kept{std::move(kept), now}).second) return;
    order_.push_back(view.task.id);
    if (order_.size() <= kSize) return;
    views_.erase(order_.front());  // oldest first: people look at what is new
    order_.pop_front();
  }
  void clear() {
    std::lock_guard lock(mutex_);
    views_.clear();
    order_.clear();
  }

 private:
  struct Kept {
    std::shared_ptr<const TaskView> view;
    Millis since = 0;
  };
  static constexpr std::size_t kSize = 2'000;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Kept> views_;
  std::deque<std::string> order_;
};

}  // namespace fluxgate::tasks

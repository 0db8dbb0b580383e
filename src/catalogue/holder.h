// The catalogue in force. Readers take a snapshot and keep it for one operation; a reload swaps it.
// Thread-safe.
#pragma once

#include <memory>
#include <mutex>

#include "catalogue/catalogue.h"

namespace fluxgate::catalogue {

class Holder {
 public:
  explicit Holder(std::shared_ptr<const Catalogue> first) : current_(std::move(first)) {}
  std::shared_ptr<const Catalogue> get() const {
    std::lock_guard lock(mutex_);
    return current_;
  }
  void set(std::shared_ptr<const Catalogue> next) {
    std::lock_guard lock(mutex_);
    current_ = std::move(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Catalogue> current_;
};

}  // namespace fluxgate::catalogue

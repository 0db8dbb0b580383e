// Ids sort by the time of their making (base/ids.h), so a time is a place in any index that ends with them.
#pragma once

#include <string>

#include <fmt/format.h>

#include "base/clock.h"

namespace fluxgate::tasks {

// Smaller than every id made at `at` or later, greater than every earlier one.
inline std::string first_id_at(Millis at) {
  const auto ms = static_cast<unsigned long long>(at < 0 ? 0 : at) & 0xffffffffffffull;
  return fmt::format("{:08x}-{:04x}-7000-8000-000000000000", ms >> 16, ms & 0xffff);
}

}  // namespace fluxgate::tasks

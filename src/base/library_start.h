// Some libraries (libvips) must be started by one thread at a time, and more than one folder uses them.
// Whoever starts one holds this lock meanwhile; starting it a second time is then harmless.
#pragma once

#include <mutex>

namespace fluxgate {

inline std::mutex& library_start_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace fluxgate

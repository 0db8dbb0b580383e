// What goes wrong at the fake COS bucket on purpose; how it is written: cos.h.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace fluxgate::sandbox::cos {

// Thread-safe.
class CosFaults {
 public:
  // Throws std::invalid_argument for one that is not known.
  void add(std::string_view text);
  // What befalls this one: "SlowDown", "lost" … "" = nothing.
  std::string due(std::string_view operation);

 private:
  struct Fault {
    std::string operation, what;
    int times = -1;  // -1 = always
    int after = 0;   // so many are spared first
  };

  std::mutex mutex_;
  std::vector<Fault> faults_;  // guarded
};

}  // namespace fluxgate::sandbox::cos

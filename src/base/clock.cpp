#include "base/clock.h"

#include <chrono>
#include <ctime>

#include <fmt/format.h>

namespace fluxgate {
namespace {

class SystemClock final : public Clock {
 public:
  Millis now_ms() const override {
    auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
  }
};

std::tm utc(Millis time_ms) {
  std::time_t seconds = static_cast<std::time_t>(time_ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return parts;
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string iso8601(Millis time_ms) {
  std::tm t = utc(time_ms);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}000", t.tm_year + 1900, t.tm_mon + 1,
                     t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, time_ms % 1000);
}

std::string http_date(Millis time_ms) {
  std::tm t = utc(time_ms);
  char text[64];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &t);
  return text;
}

}  // namespace fluxgate

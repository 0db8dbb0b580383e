// Time as the product sees it. Everything that decides by time takes a Clock, so that tests and the
// simulation own it. Milliseconds since the Unix epoch, as stored in the database.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fluxgate {

using Millis = std::int64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Millis now_ms() const = 0;
};

// The machine's clock; safe from every thread.
const Clock& system_clock();

// "2026-11-23T22:41:39.123456" in UTC without a zone, as the original wrote FLUX times.
std::string iso8601(Millis time_ms);
// "Mon, 23 Nov 2026 22:41:39 GMT" (RFC 9110 §5.6.7).
std::string http_date(Millis time_ms);

}  // namespace fluxgate

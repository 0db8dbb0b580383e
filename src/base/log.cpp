#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace fluxgate::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    case Level::off: return spdlog::level::off;
  }
  return spdlog::level::info;
}

constexpr auto kTextPattern = "%Y-%m-%dT%H:%M:%S.%e %^%-5l%$ %v";

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = spdlog::stderr_color_mt("fluxgate");
    made->set_pattern(kTextPattern);
    return made;
  }();
  return *instance;
}

bool as_json = false;

// One event is one line, whatever stands in it: a line break that came from outside would forge another
// event.
std::string escaped(std::string_view message) {
  std::string out;
  out.reserve(message.size());
  for (char c : message) {
    if (as_json && (c == '"' || c == '\\')) out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\u{:04x}", c);
    else
      out += c;
  }
  return out;
}

}  // namespace

void configure(Level level, Format format) {
  as_json = format == Format::json;
  logger().set_level(to_spdlog(level));
  if (as_json)
    logger().set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":"%v"})",
                         spdlog::pattern_time_type::utc);
  else
    logger().set_pattern(kTextPattern);
}

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view message) { logger().log(to_spdlog(level), escaped(message)); }

}  // namespace fluxgate::log

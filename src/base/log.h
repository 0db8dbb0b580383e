// The log: spdlog behind five words. One line per event, as text or as JSON lines; control characters in a
// message are escaped, so that what came from outside cannot forge an event. Never write prompts, keys,
// tokens or upstream bodies here. Writing is safe from every thread; configure() belongs before the first of
// them.
#pragma once

#include <string_view>

#include <fmt/format.h>

namespace fluxgate::log {

enum class Level { debug, info, warn, error, off };
enum class Format { text, json };

void configure(Level level, Format format);
bool enabled(Level level);
void write(Level level, std::string_view message);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warn)) write(Level::warn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::error)) write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace fluxgate::log

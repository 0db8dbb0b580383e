// Names for people. A name from a user is never a path: objects are named by their hash. It is only shown, and
// suggested to browsers that save the file, which is reason enough to take out what a file system or a reader
// could be fooled by. All names are UTF-8 of at most 150 bytes with their extension.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"

namespace fluxgate::files {

// The last segment of `given`, valid UTF-8 without control characters, direction marks, characters that Windows
// forbids and leading or trailing dots and spaces; "" when nothing is left.
std::string plain_name(std::string_view given);

// The same with the true extension in place of its own; `fallback` when nothing is left. Reserved names (CON, NUL …)
// get an underscore. `extension` is without a dot.
std::string safe_name(std::string_view given, std::string_view extension, std::string_view fallback);

// "2026-11-26 a lighthouse at dawn.jpg"; the date is UTC, the prompt is cut between words after about 80
// characters. From the second file of a task on, its number stands behind the prompt.
std::string download_name(Millis created_at, std::string_view prompt, int position, std::string_view extension);

}  // namespace fluxgate::files

// Files compiled into the program (cmake/embed.cmake).
#pragma once

#include <string_view>

namespace fluxgate {

struct EmbeddedFile {
  std::string_view name;  // relative to the embedded folder
  std::string_view text;
};

}  // namespace fluxgate

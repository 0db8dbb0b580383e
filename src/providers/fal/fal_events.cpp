#include "providers/fal/fal_events.h"

#include <utility>

namespace fluxgate::providers::fal {

std::string last_event(std::string_view stream) {
  constexpr std::string_view kData = "data:";
  std::string last, gathering;
  bool has_data = false;
  for (auto end = stream.find('\n'); end != std::string_view::npos; end = stream.find('\n')) {
    std::string_view line = stream.substr(0, end);
    stream.remove_prefix(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with(kData)) {
      line.remove_prefix(kData.size());
      if (line.starts_with(' ')) line.remove_prefix(1);
      if (has_data) gathering += '\n';
      gathering += line;
      has_data = true;
    } else if (line.empty() && has_data) {
      last = std::exchange(gathering, {});
      has_data = false;
    }
  }
  return last;
}

}  // namespace fluxgate::providers::fal

// Image sizes by name and by aspect ratio (spec/upstream-fal.md §7.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fluxgate::sandbox {

struct PixelSize {
  int width = 0;
  int height = 0;
  bool operator==(const PixelSize&) const = default;
};

// "landscape_4_3" and the like.
std::optional<PixelSize> size_of_preset(std::string_view name);
std::vector<std::string> preset_names();

// The nine ratios that all models know.
std::vector<std::string> ratio_names();
// Pixels of any ratio "W:H": about 1 MP, or about 4 MP. nullopt when it cannot be read.
std::optional<PixelSize> size_of_ratio(std::string_view ratio, bool four_megapixels);

}  // namespace fluxgate::sandbox

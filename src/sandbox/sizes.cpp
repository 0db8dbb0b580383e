#include "sandbox/sizes.h"

#include <charconv>
#include <cmath>

namespace fluxgate::sandbox {
namespace {

struct Preset {
  std::string_view name;
  PixelSize size;
};
constexpr Preset kPresets[] = {
    {"square_hd", {1024, 1024}},    {"square", {512, 512}},         {"portrait_4_3", {768, 1024}},
    {"portrait_16_9", {576, 1024}}, {"landscape_4_3", {1024, 768}}, {"landscape_16_9", {1024, 576}},
};
// The nine ratios and their sizes at about 1 MP (§7.1).
constexpr Preset kRatios[] = {
    {"21:9", {1568, 672}}, {"16:9", {1392, 752}}, {"4:3", {1184, 880}},
    {"3:2", {1248, 832}},  {"1:1", {1024, 1024}}, {"2:3", {832, 1248}},
    {"3:4", {880, 1184}},  {"9:16", {752, 1392}}, {"9:21", {672, 1568}},
};
constexpr Preset kLargeRatios[] = {{"16:9", {2752, 1536}}, {"9:16", {1536, 2752}}, {"1:1", {2048, 2048}}};

template <std::size_t N>
std::optional<PixelSize> size_named(const Preset (&presets)[N], std::string_view name) {
  for (const Preset& preset : presets)
    if (preset.name == name) return preset.size;
  return std::nullopt;
}

template <std::size_t N>
std::vector<std::string> names_of(const Preset (&presets)[N]) {
  std::vector<std::string> names;
  for (const Preset& preset : presets) names.emplace_back(preset.name);
  return names;
}

}  // namespace

std::optional<PixelSize> size_of_preset(std::string_view name) { return size_named(kPresets, name); }
std::vector<std::string> preset_names() { return names_of(kPresets); }
std::vector<std::string> ratio_names() { return names_of(kRatios); }

std::optional<PixelSize> size_of_ratio(std::string_view ratio, bool four_megapixels) {
  if (four_megapixels) {
    if (auto size = size_named(kLargeRatios, ratio)) return size;
  } else if (auto size = size_named(kRatios, ratio)) {
    return size;
  }
  auto colon = ratio.find(':');
  if (colon == ratio.npos) return std::nullopt;
  auto part = [](std::string_view text) {
    int number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() ? number : 0;
  };
  int across = part(ratio.substr(0, colon));
  int down = part(ratio.substr(colon + 1));
  if (across < 1 || down < 1 || across > 32 * down || down > 32 * across) return std::nullopt;
  double area = four_megapixels ? 4.2e6 : 1.05e6;
  double height = std::sqrt(area * down / across);
  int step = four_megapixels ? 32 : 16;
  auto rounded = [&](double pixels) {
    return std::max(step, static_cast<int>(std::lround(pixels / step)) * step);
  };
  return PixelSize{rounded(height * across / down), rounded(height)};
}

}  // namespace fluxgate::sandbox

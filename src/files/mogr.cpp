#include "files/mogr.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace fluxgate::files {

std::optional<std::string> mogr_preview(const MogrSource& source, int side, PreviewFormat as) {
  constexpr std::array<std::string_view, 6> kTypes{"image/png", "image/jpeg", "image/webp", "image/gif", "image/avif", "image/heic"};
  constexpr std::uint64_t kSizeMax = 32 * 1024 * 1024;
  constexpr int kSideMax = 30'000;
  constexpr std::int64_t kPixelsMax = 250'000'000;
  if (std::ranges::find(kTypes, source.mime) == kTypes.end() || source.size > kSizeMax) return std::nullopt;
  if (source.width > kSideMax || source.height > kSideMax ||
      std::int64_t{source.width} * source.height > kPixelsMax)
    return std::nullopt;
  return fmt::format("imageMogr2/thumbnail/{0}x{0}>/strip/format/{1}/quality/{2}", side,
                     as == PreviewFormat::avif ? "avif" : "webp", as == PreviewFormat::avif ? 60 : 80);
}

}  // namespace fluxgate::files

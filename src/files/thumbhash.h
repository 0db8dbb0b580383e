// ThumbHash: a picture in about 25 bytes, shown blurred until the real one is there. Implemented after
// the published description of the format (https://evanw.github.io/thumbhash/): the average colour and
// the lowest frequencies of luminance, two colour differences and, if any, alpha.
#pragma once

#include <span>
#include <string>

namespace fluxgate::files {

inline constexpr int kThumbHashSideMax = 100;

// The hash's raw bytes for `rgba` (not premultiplied, row by row, width × height × 4 bytes). Both sides
// are 1 to kThumbHashSideMax pixels.
std::string thumbhash(int width, int height, std::span<const unsigned char> rgba);

}  // namespace fluxgate::files

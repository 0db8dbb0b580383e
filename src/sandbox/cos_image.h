// Pictures processed while they are read (spec storage-cos §6): "imageMogr2/thumbnail/320x320>/strip/format/webp/quality/80".
// Known are thumbnail/<w>x<h> with or without ">", strip, format and quality; any other word is refused rather than
// passed over. Blocks for as long as the picture takes.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace fluxgate::sandbox::cos {

struct ProcessedImage {
  std::string bytes, content_type;
};

// Errors have COS's word for a code: InvalidArgument, InvalidImageFormat, ImageTooLarge.
Result<ProcessedImage> process_image(const std::string& path, std::string_view rule);

}  // namespace fluxgate::sandbox::cos

// Previews made by Tencent COS itself (imageMogr2), instead of ours. spec/storage-cos.md §6.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "files/imaging.h"

namespace fluxgate::files {

struct MogrSource {
  std::string_view mime;
  std::uint64_t size = 0;
  int width = 0, height = 0;  // 0 = unknown
};

// The processing text, for LinkOptions::image_process: "imageMogr2/thumbnail/320x320>/strip/format/webp/…". It asks
// for what our own previews are: never enlarged, without metadata, the same quality. nullopt for what the service
// does not take: other kinds of files, more than 32 MB, a side above 30 000 or more than 250 million pixels.
std::optional<std::string> mogr_preview(const MogrSource& source, int side, PreviewFormat as);

}  // namespace fluxgate::files

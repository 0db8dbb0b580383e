// libvips behind four verbs. All functions block for as long as decoding takes: they run in the media
// pool. Bytes from outside are hostile: only the loaders for the formats we take are open (each is
// named, none is guessed), pixels are limited before decoding and seconds while it goes on.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "files/sniff.h"

namespace fluxgate::files {

// Prepares libvips for this process; once, by whoever comes first.
void initialise();
// Gives back what libvips keeps per thread. Last act of a thread that called the functions below.
void release_imaging_thread();

struct DecodeLimits {
  std::int64_t max_pixels = 100'000'000;  // inclusive
  int max_seconds = 20;  // per evaluation; a progressive JPEG may overrun it by one pass
  // Bytes, inclusive, of what a PNG has packed beside its picture; a thousand times as much when it is unpacked, which
  // max_seconds cannot stop.
  std::uint64_t max_packed = 256 * 1024;
  int max_frames = 1'000;  // of an animation, inclusive; only the first is ever decoded
};

struct ImageFacts {
  int width = 0, height = 0;   // as shown: EXIF orientation applied
  std::string dominant_color;  // "#rrggbb"
  std::string thumbhash;       // base64
};

// Rows of red, green, blue without gaps, and the clockwise quarter turns that bring them upright.
struct RgbPicture {
  int width = 0, height = 0;
  std::string rows;
  int turns = 0;
};

enum class PreviewFormat { webp, avif };

// Size, colour and ThumbHash. Errors: Errc::invalid, codes broken_image,
// too_many_pixels, too_many_frames, too_much_metadata and picture_too_slow.
Result<ImageFacts> inspect_image(const std::string& path, Format format, const DecodeLimits& limits);

// Writes a picture from a user anew: upright, sRGB, 8 bits, without any metadata (EXIF, GPS, XMP, ICC,
// comments). JPEG, PNG and WebP stay what they are (quality 95 where it is lossy); GIF becomes PNG; AVIF
// and HEIC become JPEG, or PNG if they have transparency. Of an animation the first frame is kept.
// Returns the new format. Truncated and damaged files are refused as inspect_image does.
Result<Format> clean_image(const std::string& from, Format format, const std::string& to,
                           const DecodeLimits& limits);

// A WebP or AVIF whose longer side is at most `side` pixels, never larger than the original.
Result<void> make_thumbnail(const std::string& from, Format format, const std::string& to, int side,
                            PreviewFormat as, const DecodeLimits& limits);

// A film's first picture, upright, as the WebP that its thumbnails are made from; and what is known of it.
Result<ImageFacts> write_poster(const RgbPicture& picture, const std::string& to, const DecodeLimits& limits);

}  // namespace fluxgate::files

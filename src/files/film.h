// libav behind two verbs: what a film or a sound is, and a film's first picture. Functions block for as long as
// reading and decoding take: they run in the media pool.
//
// Bytes from outside are hostile: the container is the one we sniffed, decoders come from a short list, nothing
// but the given file is ever opened (a container may name others), and packets, pixels and seconds are limited.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "files/imaging.h"
#include "files/sniff.h"

namespace fluxgate::files {

struct FilmLimits {
  std::int64_t max_pixels = 40'000'000;  // of one picture, inclusive: 8K has 33 million
  int max_packets = 600;                 // read in search of the first picture
  int max_seconds = 10;
  int poster_side = 1280;
};

struct FilmFacts {
  int width = 0, height = 0;  // as shown: turned as the file says
  Millis duration_ms = 0;     // 0 when the file does not say
  RgbPicture poster;          // the first picture, at most `poster_side` long
};

// invalid: broken_video (also: no picture stream, a codec not on the list, cut off), too_many_pixels,
// video_too_slow.
Result<FilmFacts> inspect_film(const std::string& path, Format format, const FilmLimits& limits = {});

// The duration in milliseconds, 0 when it cannot be told; the first frame was decoded. invalid: broken_sound,
// video_too_slow.
Result<Millis> inspect_sound(const std::string& path, Format format, const FilmLimits& limits = {});

}  // namespace fluxgate::files

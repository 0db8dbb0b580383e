// What a file is, by its first bytes. Names and Content-Types are claims of whoever sent it.
#pragma once

#include <string>
#include <string_view>

#include "base/text.h"

namespace fluxgate::files {

enum class Format {
  unknown, empty,
  png, jpeg, webp, gif, avif, heic,           // pictures
  mp4, quicktime, webm,                       // films
  mp3, wav, m4a, aac,                         // sounds
  svg, html, xml, pdf, bmp, tiff, ico, jxl, matroska, flac, ogg, zip, json, text,  // known, never taken
};

// Enough bytes for every signature above.
inline constexpr std::size_t kSniffBytes = 256;

// Reads at most kSniffBytes. Sure of the accepted formats; a good guess for the others, which only
// serves the sentence that refuses them.
Format sniff(std::string_view head);

std::string_view mime_of(Format format);       // "application/octet-stream" for unknown
std::string_view extension_of(Format format);  // "png", "bin" for unknown
const Text& name_of(Format format);            // "an SVG drawing"

bool is_picture(Format format);  // raster pictures that we decode
bool is_film(Format format);
bool is_sound(Format format);

}  // namespace fluxgate::files

// Pictures for the tests, drawn by libvips, and what became of them.
#pragma once

#include <string>

namespace fluxgate::files {

struct Drawing {
  int width = 64, height = 48;
  std::string suffix = ".png";  // with libvips' save options: ".jpg[Q=90]"
  int orientation = 1;          // EXIF; with it goes a GPS position
  bool alpha = false;
  int frames = 1;  // GIF and WebP
  bool cmyk = false;     // JPEG
  bool sixteen = false;  // bits per channel: PNG
  int times = 1;         // each pixel, across and down
};

// A red picture whose left third is blue (so that turning shows).
std::string draw(const Drawing& drawing);

struct Look {
  int width = 0, height = 0, bands = 0, pages = 1;
  bool has_position = false, has_profile = false, has_eight_bits = false;
  bool blue_left = false, blue_top = false;
};
Look look(const std::string& bytes);

}  // namespace fluxgate::files

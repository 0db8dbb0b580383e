// The sandbox's works of art: a landscape computed from a number, marked for what it is with stripes
// and the word SANDBOX, encoded as a real PNG, JPEG or WebP. Equal specifications give equal bytes.
//
// Thread-safe. Takes some 20 ms for a megapixel, so large pictures are painted off the I/O threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sandbox/input.h"

namespace fluxgate::sandbox {

struct PictureSpec {
  PixelSize size;
  std::string format = "jpeg";  // jpeg, png, webp
  std::uint64_t motif = 0;      // decides colours and shapes
  bool black = false;           // what the safety checker returns for a flagged picture
  std::string caption;          // printed small, capitals and digits

  std::uint64_t digest() const;
};

// Prepares libvips. On first use, because a server at rest should be small.
void start_painting();

Result<std::string> paint_picture(const PictureSpec& spec);

// "image/jpeg" for "jpeg", and the suffix of its file name: "jpg".
std::string_view media_type(std::string_view format);
std::string_view file_suffix(std::string_view format);

// Width and height out of an image file's header; nullopt when it is none that we can read.
std::optional<PixelSize> measure_picture(std::string_view bytes);

// Dots of a letter: kHeight rows, the leftmost of kWidth dots in the highest bit. Unknown ones are blank.
namespace font {
inline constexpr int kWidth = 5, kHeight = 7, kAdvance = 6;
const std::uint8_t* glyph(char letter);
}  // namespace font

}  // namespace fluxgate::sandbox

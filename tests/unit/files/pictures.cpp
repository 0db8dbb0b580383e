#include "pictures.h"

#include <vips/vips.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include "files/imaging.h"

// The tests write HEIC, which the product never does; the encoder keeps a few bytes to itself.
extern "C" const char* __lsan_default_suppressions() { return "leak:libx265"; }

namespace fluxgate::files {
namespace {

struct Unref {
  void operator()(VipsImage* image) const { g_object_unref(image); }
};
using Image = std::unique_ptr<VipsImage, Unref>;

Image checked(VipsImage* image) {
  if (!image) throw std::runtime_error(vips_error_buffer());
  return Image(image);
}

std::vector<unsigned char> pixels(const Drawing& drawing) {
  std::vector<unsigned char> all;
  for (int frame = 0; frame < drawing.frames; ++frame) {
    for (int y = 0; y < drawing.height; ++y) {
      for (int x = 0; x < drawing.width; ++x) {
        const bool blue = (x < drawing.width / 3) == (frame % 2 == 0);
        all.insert(all.end(),
                   {static_cast<unsigned char>(blue ? 20 : 220), static_cast<unsigned char>(blue ? 30 : 20),
                    static_cast<unsigned char>(blue ? 220 : 30)});
        if (drawing.alpha) all.push_back(blue ? 0 : 255);
      }
    }
  }
  return all;
}

}  // namespace

std::string draw(const Drawing& drawing) {
  initialise();
  const auto data = pixels(drawing);
  const Image memory = checked(vips_image_new_from_memory_copy(data.data(), data.size(), drawing.width,
                                                               drawing.height * drawing.frames,
                                                               drawing.alpha ? 4 : 3, VIPS_FORMAT_UCHAR));
  VipsImage* copied = nullptr;
  vips_copy(memory.get(), &copied, "interpretation", VIPS_INTERPRETATION_sRGB, nullptr);
  Image image = checked(copied);
  if (drawing.cmyk || drawing.sixteen) {
    VipsImage* converted = nullptr;
    vips_colourspace(image.get(), &converted, drawing.cmyk ? VIPS_INTERPRETATION_CMYK : VIPS_INTERPRETATION_RGB16,
                     nullptr);
    image = checked(converted);
  }
  if (drawing.times > 1) {
    VipsImage* zoomed = nullptr;
    vips_zoom(image.get(), &zoomed, drawing.times, drawing.times, nullptr);
    image = checked(zoomed);
  }
  if (drawing.frames > 1) vips_image_set_int(image.get(), "page-height", drawing.height);
  if (drawing.orientation != 1) {
    vips_image_set_int(image.get(), "orientation", drawing.orientation);
    vips_image_set_string(image.get(), "exif-ifd3-GPSLatitude",
                          "52/1 31/1 0/1 (52, 31, 0, Rational, 3 components, 24 bytes)");
  }
  void* encoded = nullptr;
  std::size_t size = 0;
  if (vips_image_write_to_buffer(image.get(), drawing.suffix.c_str(), &encoded, &size, nullptr) != 0)
    throw std::runtime_error(vips_error_buffer());
  std::string bytes(static_cast<const char*>(encoded), size);
  g_free(encoded);
  return bytes;
}

Look look(const std::string& bytes) {
  initialise();
  const Image image = checked(vips_image_new_from_buffer(bytes.data(), bytes.size(), "", nullptr));
  Look seen;
  seen.width = vips_image_get_width(image.get());
  seen.height = vips_image_get_height(image.get());
  seen.bands = vips_image_get_bands(image.get());
  seen.pages = vips_image_get_n_pages(image.get());
  seen.has_position = vips_image_get_typeof(image.get(), "exif-ifd3-GPSLatitude") != 0;
  seen.has_eight_bits = vips_image_get_format(image.get()) == VIPS_FORMAT_UCHAR;
  seen.has_profile = vips_image_get_typeof(image.get(), VIPS_META_ICC_NAME) != 0;
  const auto is_blue = [&](int x, int y) {
    double* point = nullptr;
    int bands = 0;
    if (vips_getpoint(image.get(), &point, &bands, x, y, nullptr) != 0)
      throw std::runtime_error(vips_error_buffer());
    const bool blue = bands >= 3 && point[2] > point[0];
    g_free(point);
    return blue;
  };
  const int right = seen.width - 1, bottom = seen.height - 1;
  seen.blue_left = is_blue(0, 0) && is_blue(0, bottom) && !is_blue(right, 0);
  seen.blue_top = is_blue(0, 0) && is_blue(right, 0) && !is_blue(0, bottom);
  return seen;
}

}  // namespace fluxgate::files

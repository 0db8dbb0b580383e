#include "sandbox/picture.h"

#include <cmath>
#include <memory>
#include <vector>

#include <vips/vips.h>

#include "base/library_start.h"

namespace fluxgate::sandbox {
namespace {

constexpr std::string_view kMark = "Made by the Fluxgate sandbox: not the work of a model.";

struct Colour {
  float r = 0, g = 0, b = 0;
};

Colour mix(Colour a, Colour b, float t) {
  return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

// Hue in turns, the rest 0..1.
Colour from_hue(float hue, float saturation, float value) {
  auto channel = [&](float offset) {
    float k = std::fmod(offset + hue * 6, 6.0f);
    return 255 * (value - value * saturation * std::clamp(std::min(k, 4 - k), 0.0f, 1.0f));
  };
  return {channel(5), channel(3), channel(1)};
}

// Numbers that are the same on every machine for the same motif (splitmix64).
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  float roll() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<float>((z ^ (z >> 31)) >> 40) / static_cast<float>(1 << 24);
  }

 private:
  std::uint64_t state_;
};

class Canvas {
 public:
  explicit Canvas(PixelSize size)
      : width_(size.width), height_(size.height), pixels_(std::size_t(3) * size.width * size.height) {}

  int width() const { return width_; }
  int height() const { return height_; }
  std::vector<std::uint8_t>& pixels() { return pixels_; }

  void set(int x, int y, Colour colour) {
    std::uint8_t* at = &pixels_[3 * (std::size_t(y) * width_ + x)];
    at[0] = static_cast<std::uint8_t>(std::clamp(colour.r, 0.0f, 255.0f));
    at[1] = static_cast<std::uint8_t>(std::clamp(colour.g, 0.0f, 255.0f));
    at[2] = static_cast<std::uint8_t>(std::clamp(colour.b, 0.0f, 255.0f));
  }
  void fill(int left, int top, int right, int bottom, Colour colour) {
    for (int y = std::max(0, top); y < std::min(height_, bottom); ++y)
      for (int x = std::max(0, left); x < std::min(width_, right); ++x) set(x, y, colour);
  }
  void text(int left, int top, int dot, std::string_view words, Colour colour) {
    for (char letter : words) {
      const std::uint8_t* rows = font::glyph(letter);
      for (int row = 0; row < font::kHeight; ++row)
        for (int column = 0; column < font::kWidth; ++column)
          if (rows[row] >> (font::kWidth - 1 - column) & 1)
            fill(left + column * dot, top + row * dot, left + (column + 1) * dot, top + (row + 1) * dot,
                 colour);
      left += font::kAdvance * dot;
    }
  }

 private:
  int width_, height_;
  std::vector<std::uint8_t> pixels_;
};

struct Hill {
  float base, swing, wave, phase;
  Colour colour;
};

void paint_landscape(Canvas& canvas, std::uint64_t motif) {
  Dice dice(motif);
  float hue = 0.5f + 0.35f * dice.roll();  // evening skies: from teal to violet
  Colour zenith = from_hue(hue, 0.55f, 0.45f + 0.3f * dice.roll());
  Colour horizon = from_hue(std::fmod(hue + 0.25f + 0.2f * dice.roll(), 1.0f), 0.4f, 0.97f);
  Colour sun = from_hue(0.08f + 0.08f * dice.roll(), 0.25f, 1.0f);
  float sun_x = (0.15f + 0.7f * dice.roll()) * canvas.width();
  float sun_y = (0.15f + 0.35f * dice.roll()) * canvas.height();
  float sun_size = (0.05f + 0.06f * dice.roll()) * canvas.height();
  Hill hills[3];
  for (int i = 0; i < 3; ++i)
    hills[i] = {0.5f + 0.16f * i, 0.05f + 0.07f * dice.roll(), 4 + 7 * dice.roll(), 6.3f * dice.roll(),
                from_hue(std::fmod(hue + 0.95f + 0.03f * i, 1.0f), 0.5f, 0.58f - 0.17f * i)};
  const int stripe = std::max(4, (canvas.width() + canvas.height()) / 24);
  std::vector<std::array<float, 3>> ridges(canvas.width());
  for (int x = 0; x < canvas.width(); ++x)
    for (int i = 0; i < 3; ++i) {
      const Hill& hill = hills[i];
      float at = static_cast<float>(x) / canvas.width();
      float ridge =
          std::sin(at * hill.wave + hill.phase) + 0.4f * std::sin(at * hill.wave * 2.7f + hill.phase * 2);
      ridges[x][i] = (hill.base + hill.swing * ridge) * canvas.height();
    }
  for (int y = 0; y < canvas.height(); ++y) {
    Colour sky = mix(zenith, horizon, std::min(1.0f, 1.6f * y / canvas.height()));
    for (int x = 0; x < canvas.width(); ++x) {
      float dx = x - sun_x, dy = y - sun_y;
      Colour colour = dx * dx + dy * dy < sun_size * sun_size ? sun : sky;
      for (int i = 0; i < 3; ++i)
        if (y > ridges[x][i]) colour = hills[i].colour;
      // The stripes say "specimen" even where the picture is too small for words.
      if ((x + y) / stripe % 2 == 0) colour = mix(colour, {255, 255, 255}, 0.08f);
      canvas.set(x, y, colour);
    }
  }
}

// A band along the lower edge with the word and the caption, as large as fits.
void paint_mark(Canvas& canvas, std::string_view caption, bool black) {
  int dot = canvas.width() / (font::kAdvance * 22);
  if (dot < 1) dot = canvas.width() >= font::kAdvance * 7 + 4 ? 1 : 0;
  if (dot == 0 || canvas.height() < 3 * font::kHeight * dot) return;
  int small = std::max(1, dot / 2);
  int band = (font::kHeight + 2) * dot + (font::kHeight + 3) * small;
  int top = canvas.height() - band;
  Colour ink = black ? Colour{90, 90, 90} : Colour{255, 255, 255};
  if (!black) canvas.fill(0, top, canvas.width(), canvas.height(), {24, 26, 32});
  canvas.text(2 * dot, top + dot, dot, "SANDBOX", ink);
  canvas.text(2 * dot, top + (font::kHeight + 2) * dot, small, caption, ink);
}

// A comment segment right after the start marker (ITU T.81 §B.2.4.5); libvips writes none of its own.
void add_jpeg_comment(std::string& file) {
  const auto length = static_cast<unsigned>(kMark.size() + 2);
  std::string segment{'\xff', '\xfe', static_cast<char>(length >> 8), static_cast<char>(length & 0xff)};
  file.insert(2, segment.append(kMark));
}

std::unexpected<Error> vips_failure() {
  std::string reason = vips_error_buffer();
  vips_error_clear();
  return fail(Error(Errc::internal, "picture_failed", {"The picture could not be made.", "无法生成图片。"})
                  .log(std::move(reason)));
}

struct ImageOwner {
  void operator()(VipsImage* image) const { g_object_unref(image); }
};
using ImagePtr = std::unique_ptr<VipsImage, ImageOwner>;

Result<std::string> encode(Canvas& canvas, const std::string& format) {
  start_painting();
  auto& pixels = canvas.pixels();
  ImagePtr image(vips_image_new_from_memory(pixels.data(), pixels.size(), canvas.width(), canvas.height(), 3,
                                            VIPS_FORMAT_UCHAR));
  if (!image) return vips_failure();
  image->Type = VIPS_INTERPRETATION_sRGB;
  void* data = nullptr;
  std::size_t size = 0;
  int failed = 0;
  if (format == "png") {
    vips_image_set_string(image.get(), "png-comment-0-Comment", std::string(kMark).c_str());
    failed = vips_pngsave_buffer(image.get(), &data, &size, "compression", 3, nullptr);
  } else if (format == "webp") {
    vips_image_set_blob_copy(image.get(), VIPS_META_XMP_NAME, kMark.data(), kMark.size());
    failed = vips_webpsave_buffer(image.get(), &data, &size, "Q", 90, "effort", 1, nullptr);
  } else {
    failed = vips_jpegsave_buffer(image.get(), &data, &size, "Q", 92, nullptr);
  }
  if (failed != 0) return vips_failure();
  std::string file(static_cast<const char*>(data), size);
  g_free(data);
  if (format != "png" && format != "webp") add_jpeg_comment(file);
  return file;
}

}  // namespace

void start_painting() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::scoped_lock lock(library_start_mutex());
    FLUX_ASSERT(VIPS_INIT("fluxgate") == 0);
    vips_concurrency_set(1);  // one thread paints; more would only take turns
    vips_cache_set_max(0);    // nothing is painted twice
  });
}

std::uint64_t PictureSpec::digest() const {
  return stable_digest(
      fmt::format("{}x{} {} {} {} {}", size.width, size.height, format, motif, black, caption));
}

Result<std::string> paint_picture(const PictureSpec& spec) {
  Canvas canvas(spec.size);
  if (!spec.black) paint_landscape(canvas, spec.motif);
  paint_mark(canvas, spec.caption, spec.black);
  return encode(canvas, spec.format);
}

std::string_view media_type(std::string_view format) {
  if (format == "png") return "image/png";
  if (format == "webp") return "image/webp";
  return "image/jpeg";
}

std::string_view file_suffix(std::string_view format) { return format == "jpeg" ? "jpg" : format; }

std::optional<PixelSize> measure_picture(std::string_view bytes) {
  start_painting();
  ImagePtr image(vips_image_new_from_buffer(bytes.data(), bytes.size(), "", nullptr));
  if (!image) {
    vips_error_clear();
    return std::nullopt;
  }
  return PixelSize{vips_image_get_width(image.get()), vips_image_get_height(image.get())};
}

}  // namespace fluxgate::sandbox

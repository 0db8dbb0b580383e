#include "files/imaging.h"

#include <vips/vips.h>

#include <atomic>
#include <chrono>
#include <mutex>

#include "base/crypto.h"
#include "base/library_start.h"
#include "files/packed_metadata.h"
#include "files/thumbhash.h"

namespace fluxgate::files {
namespace {

std::atomic<bool> initialised = false;

struct Unref {
  void operator()(VipsImage* image) const { g_object_unref(image); }
};
using Image = std::unique_ptr<VipsImage, Unref>;

struct GFree {
  void operator()(void* memory) const { g_free(memory); }
};

// What libvips has to say goes to the log; its buffer is shared by all threads, so it may be a little off.
std::string vips_says() {
  std::string text = vips_error_buffer();
  vips_error_clear();
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

std::unexpected<Error> broken() {
  return std::unexpected(
      Error(Errc::invalid, "broken_image", {"The picture is damaged or incomplete.", "图片已损坏或不完整。"})
          .log(vips_says()));
}

// Stops an evaluation that takes too long.
class Deadline {
 public:
  Deadline(VipsImage* image, int seconds)
      : ends_(std::chrono::steady_clock::now() + std::chrono::seconds(seconds)) {
    vips_image_set_progress(image, TRUE);
    g_signal_connect(image, "eval", G_CALLBACK(&Deadline::on_eval), this);
    image_ = image;
  }
  ~Deadline() { g_signal_handlers_disconnect_by_data(image_, this); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // Why an evaluation under this deadline has failed.
  std::unexpected<Error> failure() const {
    if (!passed_) return broken();
    vips_error_clear();
    return fail(Errc::invalid, "picture_too_slow",
                {"Decoding the picture takes too long.", "图片解码耗时过长。"});
  }

 private:
  static void on_eval(VipsImage* image, VipsProgress*, Deadline* self) {
    if (std::chrono::steady_clock::now() < self->ends_) return;
    self->passed_ = true;
    vips_image_set_kill(image, TRUE);
  }
  std::chrono::steady_clock::time_point ends_;
  VipsImage* image_ = nullptr;
  bool passed_ = false;
};

const char* loader_of(Format format) {
  switch (format) {
    case Format::png: return "pngload";
    case Format::jpeg: return "jpegload";
    case Format::webp: return "webpload";
    case Format::gif: return "gifload";
    case Format::avif:
    case Format::heic: return "heifload";
    default: return nullptr;
  }
}

Result<void> check_packed(const std::string& path, const DecodeLimits& limits) {
  const std::uint64_t packed = packed_metadata(path);
  if (packed <= limits.max_packed) return {};
  return std::unexpected(
      Error(Errc::invalid, "too_much_metadata",
            {fmt::format("The picture carries {} bytes of packed text or profiles; at most {} are taken. Save it without.", packed, limits.max_packed),
             fmt::format("图片附带 {} 字节的压缩文本或配置文件，最多允许 {} 字节。请去除后重新保存。", packed, limits.max_packed)})
          .with("bytes", packed)
          .with("limit", limits.max_packed));
}

// Reads the header; pixels come when something asks for them.
Result<Image> open_image(const std::string& path, Format format, VipsAccess access, VipsFailOn fail_on,
                         const DecodeLimits& limits) {
  initialise();
  if (format == Format::png) FLUX_CHECK(check_packed(path, limits));
  const char* loader = loader_of(format);
  VipsImage* image = nullptr;
  if (!loader || vips_call(loader, path.c_str(), &image, "access", access, "fail_on", fail_on, nullptr) != 0)
    return broken();
  Image opened(image);
  if (const int frames = vips_image_get_n_pages(image); frames > limits.max_frames)
    return std::unexpected(
        Error(Errc::invalid, "too_many_frames",
              {fmt::format("The animation has {} frames; at most {} are taken.", frames, limits.max_frames),
               fmt::format("动图有 {} 帧，最多允许 {} 帧。", frames, limits.max_frames)})
            .with("frames", frames)
            .with("limit", limits.max_frames));
  const std::int64_t pixels = std::int64_t{vips_image_get_width(image)} * vips_image_get_height(image);
  if (pixels <= limits.max_pixels) return opened;
  return std::unexpected(
      Error(Errc::invalid, "too_many_pixels",
            {fmt::format("The picture has {} pixels; at most {} are taken.", pixels, limits.max_pixels),
             fmt::format("图片有 {} 像素，最多允许 {} 像素。", pixels, limits.max_pixels)})
          .with("pixels", pixels)
          .with("limit", limits.max_pixels));
}

// Runs one operation of libvips that turns an image into another.
template <class Operation>
bool apply(Image& image, Operation operation) {
  VipsImage* out = nullptr;
  if (operation(image.get(), &out) != 0) return false;
  image.reset(out);
  return true;
}

// To sRGB (or grey) with 8 bits. A profile is applied before it is dropped: photographs of phones are in
// Display P3 and would turn pale without it. A profile that makes no sense is ignored.
bool normalise_colours(Image& image) {
  const VipsInterpretation space = vips_image_guess_interpretation(image.get());
  const bool has_profile = vips_image_get_typeof(image.get(), VIPS_META_ICC_NAME) != 0;
  if (has_profile || space == VIPS_INTERPRETATION_CMYK) {
    const char* fallback = space == VIPS_INTERPRETATION_CMYK ? "cmyk" : "srgb";
    const bool grey = space == VIPS_INTERPRETATION_B_W || space == VIPS_INTERPRETATION_GREY16;
    const bool converted = !grey && apply(image, [&](VipsImage* in, VipsImage** out) {
      return vips_icc_transform(in, out, "srgb", "embedded", TRUE, "input_profile", fallback, "depth", 8,
                                nullptr);
    });
    if (!converted) vips_error_clear();
  }
  const VipsInterpretation now = vips_image_guess_interpretation(image.get());
  const bool grey = now == VIPS_INTERPRETATION_B_W || now == VIPS_INTERPRETATION_GREY16;
  const bool plain = (now == VIPS_INTERPRETATION_sRGB || now == VIPS_INTERPRETATION_B_W) &&
                     vips_image_get_format(image.get()) == VIPS_FORMAT_UCHAR;
  if (plain) return true;
  return apply(image, [&](VipsImage* in, VipsImage** out) {
    return vips_colourspace(in, out, grey ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB, nullptr);
  });
}

// Drops what describes the picture's making. The savers' own "strip" is not relied on alone: webpsave of
// 8.14 writes an EXIF block all the same, which after this holds nothing but size and resolution.
bool remove_metadata(Image& image) {
  const bool copied =
      apply(image, [](VipsImage* in, VipsImage** out) { return vips_copy(in, out, nullptr); });
  if (!copied) return false;
  static constexpr std::string_view kPrefixes[] = {"exif-",      "xmp-",       "iptc-",        "icc-",
                                                   "photoshop-", "heif-",      "png-comment-", "gif-comment",
                                                   "jpeg-",      "orientation"};
  gchar** fields = vips_image_get_fields(image.get());
  for (gchar** field = fields; *field; ++field)
    if (std::ranges::any_of(kPrefixes,
                            [&](auto prefix) { return std::string_view(*field).starts_with(prefix); }))
      vips_image_remove(image.get(), *field);
  g_strfreev(fields);
  return true;
}

bool save(VipsImage* image, Format format, const std::string& path) {
  constexpr int kQuality = 95;
  // Better codes need the whole picture in memory, six bytes a pixel.
  constexpr std::int64_t kOptimisedMax = 16'000'000;
  const gboolean optimised = std::int64_t{vips_image_get_width(image)} * vips_image_get_height(image) <= kOptimisedMax;
  switch (format) {
    case Format::jpeg:
      return vips_jpegsave(image, path.c_str(), "Q", kQuality, "strip", TRUE, "optimize_coding", optimised, nullptr) == 0;
    case Format::webp: return vips_webpsave(image, path.c_str(), "Q", kQuality, "strip", TRUE, nullptr) == 0;
    default: return vips_pngsave(image, path.c_str(), "compression", 6, "strip", TRUE, nullptr) == 0;
  }
}

Format kept_as(Format format, VipsImage* image) {
  switch (format) {
    case Format::jpeg:
    case Format::png:
    case Format::webp: return format;
    case Format::gif: return Format::png;
    default: return vips_image_hasalpha(image) ? Format::png : Format::jpeg;
  }
}

// Scales while decoding where the format can (JPEG, WebP), so a large picture costs little.
Result<Image> shrink(const std::string& path, Format format, int side, const DecodeLimits& limits) {
  // The header first: its pixels are judged before anything is decoded.
  FLUX_TRY(header, open_image(path, format, VIPS_ACCESS_SEQUENTIAL, VIPS_FAIL_ON_NONE, limits));
  VipsImage* small = nullptr;
  if (vips_thumbnail(path.c_str(), &small, side, "height", side, "size", VIPS_SIZE_DOWN, nullptr) != 0)
    return broken();
  Image image(small);
  if (!normalise_colours(image)) return broken();
  return image;
}

// The average of the most frequent colour, where colours count as one when their upper four bits agree.
std::string dominant_colour(std::span<const unsigned char> rgba) {
  struct Bin {
    std::uint64_t weight = 0, sum[3] = {0, 0, 0};
  };
  std::vector<Bin> bins(4096);
  for (std::size_t i = 0; i + 3 < rgba.size(); i += 4) {
    Bin& bin = bins[static_cast<std::size_t>(rgba[i] >> 4 << 8 | rgba[i + 1] >> 4 << 4 | rgba[i + 2] >> 4)];
    bin.weight += rgba[i + 3];
    for (std::size_t band = 0; band < 3; ++band) bin.sum[band] += std::uint64_t{rgba[i + band]} * rgba[i + 3];
  }
  const Bin& most = *std::ranges::max_element(bins, {}, &Bin::weight);
  if (most.weight == 0) return "#000000";  // all transparent
  return fmt::format("#{:02x}{:02x}{:02x}", most.sum[0] / most.weight, most.sum[1] / most.weight,
                     most.sum[2] / most.weight);
}

// Colour and ThumbHash of a picture that was made small.
Result<void> describe(Image small, const DecodeLimits& limits, ImageFacts& facts) {
  const auto to_rgba = [](Image& image) {
    const bool coloured = apply(image, [](VipsImage* in, VipsImage** out) {
      return vips_colourspace(in, out, VIPS_INTERPRETATION_sRGB, nullptr);
    });
    if (!coloured || vips_image_hasalpha(image.get())) return coloured;
    return apply(image, [](VipsImage* in, VipsImage** out) { return vips_addalpha(in, out, nullptr); });
  };
  if (!to_rgba(small) || vips_image_get_bands(small.get()) != 4) return broken();
  const Deadline deadline(small.get(), limits.max_seconds);
  std::size_t size = 0;
  const std::unique_ptr<void, GFree> memory(vips_image_write_to_memory(small.get(), &size));
  const int width = vips_image_get_width(small.get());
  const int height = vips_image_get_height(small.get());
  if (!memory || size != static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 4)
    return deadline.failure();
  const std::span rgba(static_cast<const unsigned char*>(memory.get()), size);
  facts.dominant_color = dominant_colour(rgba);
  facts.thumbhash = crypto::base64(thumbhash(width, height, rgba));
  return {};
}

}  // namespace

void initialise() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::scoped_lock lock(library_start_mutex());
    if (VIPS_INIT("fluxgate") != 0) throw std::runtime_error("libvips cannot start: " + vips_says());
    vips_concurrency_set(1);         // the pool's threads are the limit
    vips_cache_set_max(0);           // every file is seen once; memory stays flat
    vips_block_untrusted_set(TRUE);  // SVG, PDF, ImageMagick and the like, by whatever way
    // Warnings about strange files belong to the file's error, not on our standard error.
    g_log_set_handler(
        "VIPS", static_cast<GLogLevelFlags>(G_LOG_LEVEL_WARNING | G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG),
        [](const gchar*, GLogLevelFlags, const gchar*, gpointer) {}, nullptr);
    initialised = true;
  });
}

// libvips crashes when it ends a thread's part before it was started itself: commands that only move files never
// start it.
void release_imaging_thread() {
  if (initialised) vips_thread_shutdown();
}

Result<ImageFacts> inspect_image(const std::string& path, Format format, const DecodeLimits& limits) {
  FLUX_TRY(header, open_image(path, format, VIPS_ACCESS_SEQUENTIAL, VIPS_FAIL_ON_NONE, limits));
  ImageFacts facts;
  facts.width = vips_image_get_width(header.get());
  facts.height = vips_image_get_height(header.get());
  if (vips_image_get_orientation_swap(header.get())) std::swap(facts.width, facts.height);

  FLUX_TRY(small, shrink(path, format, kThumbHashSideMax, limits));
  FLUX_CHECK(describe(std::move(small), limits, facts));
  return facts;
}

Result<Format> clean_image(const std::string& from, Format format, const std::string& to,
                           const DecodeLimits& limits) {
  FLUX_TRY(opened, open_image(from, format, VIPS_ACCESS_SEQUENTIAL, VIPS_FAIL_ON_TRUNCATED, limits));
  Image image = std::move(opened);
  if (vips_image_get_orientation(image.get()) > 1) {  // turning needs the rows in another order
    FLUX_TRY(reopened, open_image(from, format, VIPS_ACCESS_RANDOM, VIPS_FAIL_ON_TRUNCATED, limits));
    image = std::move(reopened);
    if (!apply(image, [](VipsImage* in, VipsImage** out) { return vips_autorot(in, out, nullptr); }))
      return broken();
  }
  if (!normalise_colours(image) || !remove_metadata(image)) return broken();
  const Format kept = kept_as(format, image.get());
  const Deadline deadline(image.get(), limits.max_seconds);
  if (!save(image.get(), kept, to)) return deadline.failure();
  return kept;
}

Result<void> make_thumbnail(const std::string& from, Format format, const std::string& to, int side,
                            PreviewFormat as, const DecodeLimits& limits) {
  FLUX_TRY(small, shrink(from, format, side, limits));
  const Deadline deadline(small.get(), limits.max_seconds);
  // AVIF at effort 0: a third smaller than WebP for about the same time.
  const int saved = as == PreviewFormat::avif
                        ? vips_heifsave(small.get(), to.c_str(), "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1,
                                        "Q", 60, "effort", 0, "bitdepth", 8, "strip", TRUE, nullptr)
                        : vips_webpsave(small.get(), to.c_str(), "Q", 80, "strip", TRUE, nullptr);
  if (saved != 0) return deadline.failure();
  return {};
}

Result<ImageFacts> write_poster(const RgbPicture& picture, const std::string& to, const DecodeLimits& limits) {
  initialise();
  Image image(vips_image_new_from_memory(picture.rows.data(), picture.rows.size(), picture.width, picture.height, 3,
                                         VIPS_FORMAT_UCHAR));
  if (!image) return broken();
  const auto upright = [&](VipsImage* in, VipsImage** out) {
    return vips_rot(in, out, static_cast<VipsAngle>(picture.turns), nullptr);
  };
  const auto named = [](VipsImage* in, VipsImage** out) {
    return vips_copy(in, out, "interpretation", VIPS_INTERPRETATION_sRGB, nullptr);
  };
  const auto shrunk = [](VipsImage* in, VipsImage** out) {
    return vips_thumbnail_image(in, out, kThumbHashSideMax, "height", kThumbHashSideMax, "size", VIPS_SIZE_DOWN, nullptr);
  };
  if (!apply(image, named) || !apply(image, upright) ||
      vips_webpsave(image.get(), to.c_str(), "Q", 90, "strip", TRUE, nullptr) != 0)
    return broken();
  ImageFacts facts;
  facts.width = vips_image_get_width(image.get());
  facts.height = vips_image_get_height(image.get());
  if (!apply(image, shrunk)) return broken();
  FLUX_CHECK(describe(std::move(image), limits, facts));
  return facts;
}

}  // namespace fluxgate::files

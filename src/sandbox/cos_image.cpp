#include "sandbox/cos_image.h"

#include <charconv>
#include <filesystem>
#include <memory>
#include <vector>

#include <vips/vips.h>

#include "sandbox/picture.h"

namespace fluxgate::sandbox::cos {
namespace {

constexpr std::uintmax_t kBytesMax = 32u << 20;
constexpr int kSideMax = 9'999;  // of what comes out

struct Rule {
  int width = 0, height = 0;  // 0 = as it is
  bool only_shrink = false;
  std::string format = "jpg";
  int quality = 85;
};

std::unexpected<Error> refused(std::string word) { return fail(Errc::bad_request, std::move(word), {}); }

// The whole text, from 1 to `most`.
bool read_number(std::string_view text, int most, int& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size() && into >= 1 && into <= most;
}

bool read_box(std::string_view text, Rule& rule) {
  rule.only_shrink = text.ends_with('>');
  if (rule.only_shrink) text.remove_suffix(1);
  const auto cross = std::min(text.find('x'), text.size());
  return read_number(text.substr(0, cross), kSideMax, rule.width) &&
         read_number(text.substr(std::min(cross + 1, text.size())), kSideMax, rule.height);
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (;;) {
    const auto slash = std::min(text.find('/'), text.size());
    words.push_back(text.substr(0, slash));
    if (slash == text.size()) return words;
    text.remove_prefix(slash + 1);
  }
}

Result<Rule> read_rule(std::string_view text) {
  const auto words = words_of(text);
  Rule rule;
  bool good = words.size() > 1 && words[0] == "imageMogr2";
  for (std::size_t i = 1; good && i < words.size(); ++i) {
    if (words[i] == "strip") continue;
    const std::string_view value = i + 1 < words.size() ? words[i + 1] : std::string_view();
    if (words[i] == "thumbnail") good = read_box(value, rule);
    else if (words[i] == "quality") good = read_number(value, 100, rule.quality);
    else if (words[i] == "format") good = value == "webp" || value == "avif" || value == "png" || value == "jpg";
    else good = false;
    if (words[i] == "format") rule.format = value;
    ++i;
  }
  if (!good) return refused("InvalidArgument");
  return rule;
}

struct ImageOwner {
  void operator()(VipsImage* image) const { g_object_unref(image); }
};
using ImagePtr = std::unique_ptr<VipsImage, ImageOwner>;

ImagePtr load(const std::string& path, const Rule& rule) {
  VipsImage* image = nullptr;
  if (rule.width == 0) return ImagePtr(vips_image_new_from_file(path.c_str(), nullptr));
  const VipsSize size = rule.only_shrink ? VIPS_SIZE_DOWN : VIPS_SIZE_BOTH;
  if (vips_thumbnail(path.c_str(), &image, rule.width, "height", rule.height, "size", size, nullptr) != 0) return nullptr;
  return ImagePtr(image);
}

int save(VipsImage* image, const Rule& rule, void** data, std::size_t* size) {
  if (rule.format == "webp") return vips_webpsave_buffer(image, data, size, "Q", rule.quality, "strip", TRUE, nullptr);
  if (rule.format == "png") return vips_pngsave_buffer(image, data, size, "strip", TRUE, nullptr);
  if (rule.format == "jpg") return vips_jpegsave_buffer(image, data, size, "Q", rule.quality, "strip", TRUE, nullptr);
  return vips_heifsave_buffer(image, data, size, "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "Q", rule.quality,
                              "effort", 0, "strip", TRUE, nullptr);
}

}  // namespace

Result<ProcessedImage> process_image(const std::string& path, std::string_view text) {
  FLUX_TRY(rule, read_rule(text));
  if (std::filesystem::file_size(path) > kBytesMax) return refused("ImageTooLarge");
  start_painting();
  const ImagePtr image = load(path, rule);
  void* data = nullptr;
  std::size_t size = 0;
  if (!image || save(image.get(), rule, &data, &size) != 0) {
    vips_error_clear();
    return refused("InvalidImageFormat");
  }
  ProcessedImage made{std::string(static_cast<const char*>(data), size), rule.format == "jpg" ? "image/jpeg" : "image/" + rule.format};
  g_free(data);
  return made;
}

}  // namespace fluxgate::sandbox::cos

#include "sandbox/data_uri.h"

#include <charconv>

#include "base/crypto.h"
#include "sandbox/picture.h"

namespace fluxgate::sandbox {
namespace {

// "data:image/png;sandbox=640x480;sha256=0123456789abcdef;bytes=12345", or sandbox=unreadable.
constexpr std::string_view kScheme = "data:";
constexpr std::string_view kNote = ";sandbox=";
constexpr std::string_view kUnreadable = "unreadable";
constexpr std::string_view kBase64 = ";base64,";

std::string note_of(std::string_view uri) {
  auto marker = uri.find(kBase64);
  auto type = uri.substr(0, std::min(uri.find_first_of(";,"), std::size_t{100}));
  std::optional<std::string> bytes;
  if (marker != uri.npos) bytes = crypto::unbase64(uri.substr(marker + kBase64.size()));
  auto size = bytes ? measure_picture(*bytes) : std::nullopt;
  if (!size) return fmt::format("{}{}{}", type, kNote, kUnreadable);
  return fmt::format("{}{}{}x{};sha256={};bytes={}", type, kNote, size->width, size->height,
                     crypto::sha256_hex(*bytes).substr(0, 16), bytes->size());
}

}  // namespace

void replace_data_uris(boost::json::value& value) {
  if (value.is_array()) {
    for (auto& item : value.get_array()) replace_data_uris(item);
  } else if (value.is_object()) {
    for (auto& member : value.get_object()) replace_data_uris(member.value());
  } else if (value.is_string() && value.get_string().starts_with(kScheme)) {
    value = note_of(value.get_string());
  }
}

std::optional<ImageProbe> read_data_uri_note(std::string_view link) {
  auto marker = link.find(kNote);
  if (!link.starts_with(kScheme) || marker == link.npos) return std::nullopt;
  auto text = link.substr(marker + kNote.size());
  ImageProbe image;
  auto cross = text.find('x');
  if (text.starts_with(kUnreadable) || cross == text.npos) {
    image.state = ImageProbe::State::not_an_image;
    return image;
  }
  std::from_chars(text.data(), text.data() + cross, image.size.width);
  std::from_chars(text.data() + cross + 1, text.data() + text.size(), image.size.height);
  if (std::max(image.size.width, image.size.height) > 14142) image.state = ImageProbe::State::too_large;
  return image;
}

}  // namespace fluxgate::sandbox

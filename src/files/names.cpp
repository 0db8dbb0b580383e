#include "files/names.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.h"

namespace fluxgate::files {
namespace {

constexpr std::size_t kNameMax = 150;   // bytes; file systems take 255
constexpr std::size_t kPromptMax = 80;  // characters

struct Character {
  std::string_view bytes;
  char32_t code = 0;
};

// Takes the first character off; what is no UTF-8 comes as code 0, one byte at a time.
Character take(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  char32_t code = length == 1 ? first : length > 0 ? first & (0x7Fu >> length) : 0;
  bool valid = length > 0 && length <= text.size();
  for (std::size_t i = 1; valid && i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    valid = next >> 6 == 2;
    code = code << 6 | (next & 0x3F);
  }
  constexpr char32_t kShortest[] = {0, 0, 0x80, 0x800, 0x10000};
  valid = valid && code >= kShortest[length] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
  const std::size_t size = valid ? length : 1;
  const Character character{text.substr(0, size), valid ? code : 0};
  text.remove_prefix(size);
  return character;
}

// Controls, line separators, and marks that reverse what one reads: "gpj.exe" is shown as "exe.jpg" with one.
bool is_dropped(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x61C || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF0 && c <= 0xFFFF) ||
         (c >= 0xE0000 && c <= 0xE0FFF);
}
constexpr std::string_view kForbidden = "<>:\"/\\|?*";

std::string stripped(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '.')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.remove_suffix(1);
  return std::string(text);
}

// White space of any kind becomes one space; forbidden characters an underscore.
std::string cleaned(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto [bytes, code] = take(text);  // code 0: no UTF-8, dropped
    const bool space = code == ' ' || code == '\t' || code == '\n' || code == '\r' || code == 0xA0 || code == 0x3000;
    if (space) {
      if (!out.ends_with(' ')) out += ' ';
    } else if (code < 0x80 && code != 0 && kForbidden.contains(static_cast<char>(code))) {
      out += '_';
    } else if (!is_dropped(code)) {
      out += bytes;
    }
  }
  return stripped(out);
}

// At most `bytes` bytes and `characters` characters, never half a character.
std::string_view cut(std::string_view text, std::size_t bytes, std::size_t characters) {
  std::string_view rest = text;
  std::size_t end = 0;
  for (std::size_t n = 0; !rest.empty() && n < characters; ++n) {
    const std::size_t next = end + take(rest).bytes.size();
    if (next > bytes) break;
    end = next;
  }
  return text.substr(0, end);
}

bool is_reserved(std::string_view stem) {
  constexpr std::array<std::string_view, 6> kDevices{"con", "prn", "aux", "nul", "com", "lpt"};
  std::string lower(stem.substr(0, stem.find('.')));
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (lower.size() == 4 && lower[3] >= '1' && lower[3] <= '9') return std::ranges::find(kDevices.begin() + 4, kDevices.end(), lower.substr(0, 3)) != kDevices.end();
  return std::ranges::find(kDevices.begin(), kDevices.begin() + 4, lower) != kDevices.begin() + 4;
}

}  // namespace

std::string plain_name(std::string_view given) {
  const std::size_t slash = given.find_last_of("/\\");
  if (slash != std::string_view::npos) given.remove_prefix(slash + 1);
  return stripped(cut(cleaned(given), kNameMax, SIZE_MAX));
}

std::string safe_name(std::string_view given, std::string_view extension, std::string_view fallback) {
  std::string stem = plain_name(given);
  const std::size_t dot = stem.rfind('.');
  if (dot != std::string::npos && dot > 0 && stem.size() - dot <= 6) stem.resize(dot);
  stem = stripped(cut(stem, kNameMax - extension.size() - 2, SIZE_MAX));
  if (stem.empty()) stem = fallback;
  if (is_reserved(stem)) stem = '_' + stem;
  return fmt::format("{}.{}", stem, extension);
}

std::string download_name(Millis created_at, std::string_view prompt, int position, std::string_view extension) {
  const std::string date = iso8601(created_at).substr(0, 10);
  const std::string number = position > 0 ? fmt::format(" {}", position + 1) : "";
  const std::string words = cleaned(prompt);
  const std::size_t room = kNameMax - date.size() - number.size() - extension.size() - 2;
  std::string_view shown = cut(words, room, kPromptMax);
  if (shown.size() < words.size() && words[shown.size()] != ' ')
    if (const auto space = shown.rfind(' '); space != std::string_view::npos && space > shown.size() / 2) shown = shown.substr(0, space);
  const std::string title = stripped(shown);
  return fmt::format("{}{}{}{}.{}", date, title.empty() ? "" : " ", title, number, extension);
}

}  // namespace fluxgate::files

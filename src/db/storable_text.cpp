#include "db/storable_text.h"

#include <algorithm>
#include <cstring>

namespace fluxgate::db {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bytes of the character that begins `text`, 0 when it is none (RFC 3629 §4) or NUL.
std::size_t character_size(std::string_view text) {
  const auto byte = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i, unsigned from = 0x80, unsigned to = 0xBF) { return byte(i) >= from && byte(i) <= to; };
  const unsigned first = byte(0);
  if (first == 0) return 0;
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned from = first == 0xE0 ? 0xA0 : 0x80, to = first == 0xED ? 0x9F : 0xBF;  // no surrogates
    return follows(1, from, to) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned from = first == 0xF0 ? 0x90 : 0x80, to = first == 0xF4 ? 0x8F : 0xBF;
    return follows(1, from, to) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

bool is_storable(std::string_view text) {
  unsigned char bits = 0;  // no early end: this loop runs on many bytes at once
  bool nul = false;
  for (const char c : text) {
    bits |= static_cast<unsigned char>(c);
    nul |= c == 0;
  }
  if (nul) return false;
  if (bits < 0x80) return true;
  for (std::size_t size = 0; !text.empty(); text.remove_prefix(size))
    if (size = character_size(text); size == 0) return false;
  return true;
}

std::string storable_text(std::string_view text) {
  if (is_storable(text)) return std::string(text);
  std::string clean;
  clean.reserve(text.size());
  std::size_t kept = 0, at = 0;  // what stands before `kept` is in `clean`
  while (at < text.size()) {
    const std::size_t size = character_size(text.substr(at));
    if (size != 0) {
      at += size;
      continue;
    }
    clean.append(text, kept, at - kept);
    clean += kReplacement;
    kept = ++at;
  }
  return clean.append(text, kept);
}

}  // namespace fluxgate::db

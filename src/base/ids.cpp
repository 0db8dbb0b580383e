#include "base/ids.h"

#include <atomic>
#include <cctype>

#include "base/crypto.h"

namespace fluxgate {

namespace {

// The twelve bits behind the time: ids made one after the other in the same millisecond sort in that order
// (RFC 9562 §6.2, method 1). Every new millisecond begins at a random quarter, so that ids cannot be counted.
unsigned sequence_in(Millis now_ms, unsigned random) {
  static std::atomic<std::uint64_t> last{0};
  const std::uint64_t time = static_cast<std::uint64_t>(now_ms) << 12;
  std::uint64_t before = last.load(std::memory_order_relaxed);
  for (;;) {
    const bool same = before >> 12 == time >> 12;
    const std::uint64_t next = same ? before + ((before & 0xfff) != 0xfff) : time | (random & 0x3ff);
    if (last.compare_exchange_weak(before, next, std::memory_order_relaxed)) return next & 0xfff;
  }
}

}  // namespace

std::string new_id(Millis now_ms) {
  std::string bytes = crypto::random_bytes(16);
  const unsigned sequence = sequence_in(now_ms, static_cast<unsigned char>(bytes[6]) * 256u + static_cast<unsigned char>(bytes[7]));
  bytes[7] = static_cast<char>(sequence & 0xff);
  bytes[6] = static_cast<char>(sequence >> 8);
  for (int i = 0; i < 6; ++i) bytes[i] = static_cast<char>(now_ms >> (8 * (5 - i)));
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x70);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);

  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[static_cast<unsigned char>(bytes[i]) >> 4];
    text += kDigits[static_cast<unsigned char>(bytes[i]) & 15];
  }
  return text;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !std::isxdigit(static_cast<unsigned char>(text[i]))) return false;
  }
  return true;
}

}  // namespace fluxgate

#include "files/packed_metadata.h"

#include <array>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "files/stores/disk.h"

namespace fluxgate::files {
namespace {

constexpr off_t kSignature = 8, kHead = 8, kChecksum = 4;
constexpr std::size_t kKeyword = 79;  // at most, and a zero byte after it

// iTXt: keyword, 0, whether it is compressed.
bool is_compressed(std::string_view text) {
  const std::size_t end = text.find('\0');
  return end != text.npos && end + 1 < text.size() && text[end + 1] != 0;
}

}  // namespace

std::uint64_t packed_metadata(const std::string& path) {
  const Descriptor file(path, O_RDONLY);
  std::uint64_t packed = 0;
  std::array<char, kHead + kKeyword + 2> bytes;
  for (off_t at = kSignature;;) {
    const ssize_t got = ::pread(file.get(), bytes.data(), bytes.size(), at);
    if (got < kHead) return packed;
    const std::string_view chunk(bytes.data(), static_cast<std::size_t>(got)), type = chunk.substr(4, 4);
    std::uint32_t size = 0;  // most significant byte first
    for (const char byte : chunk.substr(0, 4)) size = size << 8 | static_cast<unsigned char>(byte);
    if (type == "zTXt" || type == "iCCP" || (type == "iTXt" && is_compressed(chunk.substr(kHead)))) packed += size;
    at += kHead + off_t{size} + kChecksum;
  }
}

}  // namespace fluxgate::files

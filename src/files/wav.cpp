#include "files/wav.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace fluxgate::files {
namespace {

constexpr std::uint32_t kUnknownFrom = 0x7ff0'0000;  // sox and ffmpeg write numbers from here on into a pipe
constexpr int kChunksMax = 64;                       // before the one with the sound

std::uint32_t little_endian(const unsigned char* bytes) {
  return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | static_cast<std::uint32_t>(bytes[3]) << 24;
}

}  // namespace

bool wav_is_cut_off(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  std::array<unsigned char, 8> head;  // name and length
  std::uint64_t at = 12;              // behind "RIFF", its length and "WAVE"
  for (int i = 0; i < kChunksMax && !error; ++i) {
    file.seekg(static_cast<std::streamoff>(at));
    if (!file.read(reinterpret_cast<char*>(head.data()), head.size())) return false;
    const std::uint32_t length = little_endian(head.data() + 4);
    if (std::string_view(reinterpret_cast<const char*>(head.data()), 4) == "data")
      return length < kUnknownFrom && at + head.size() + length > size;
    at += head.size() + length + length % 2;
  }
  return false;
}

}  // namespace fluxgate::files

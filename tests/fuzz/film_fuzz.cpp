// libFuzzer entry: whatever the bytes, looking at a film or a sound ends within its limits with facts that make sense,
// or an error; no read beyond the file, no leak. The first byte chooses the container.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include <sys/mman.h>

#include "files/film.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace fluxgate::files;
  if (size < 2) return 0;
  static constexpr Format kFormats[] = {Format::mp4, Format::webm, Format::mp3, Format::wav, Format::m4a, Format::aac};
  const Format format = kFormats[bytes[0] % std::size(kFormats)];
  const int fd = memfd_create("film", 0);
  if (write(fd, bytes + 1, size - 1) != static_cast<ssize_t>(size - 1)) std::abort();
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const FilmLimits limits{.max_pixels = 1'000'000, .max_packets = 50, .max_seconds = 2};
  if (is_film(format)) {
    if (const auto facts = inspect_film(path, format, limits))
      if (facts->width <= 0 || facts->height <= 0 || facts->duration_ms < 0 ||
          facts->poster.rows.size() != static_cast<std::size_t>(facts->poster.width) * facts->poster.height * 3)
        std::abort();
  } else if (const auto duration = inspect_sound(path, format, limits); duration && *duration < 0) {
    std::abort();
  }
  close(fd);
  return 0;
}

// libFuzzer entry: whatever the bytes, sniffing ends with a format that has a type and an extension, depends on the
// head alone, and takes nothing that begins like markup for a picture; names made of them are never paths, at most
// 150 bytes, and stay as they are when cleaned again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "files/names.h"
#include "files/sniff.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace fluxgate::files;
  const std::string input(reinterpret_cast<const char*>(bytes), size);
  const Format format = sniff(input);
  if (mime_of(format).empty() || extension_of(format).empty() || name_of(format).en.empty()) std::abort();
  if (sniff(input.substr(0, kSniffBytes)) != format) std::abort();
  if (input.starts_with('<') && (is_picture(format) || is_film(format) || is_sound(format))) std::abort();
  const std::string name = plain_name(input);
  if (name.size() > 150 || name.find_first_of("/\\\r\n") != std::string::npos || name.contains('\0')) std::abort();
  if (plain_name(name) != name) std::abort();
  if (const std::string safe = safe_name(input, "png", "upload"); safe.size() > 155 || !safe.ends_with(".png")) std::abort();
  return 0;
}

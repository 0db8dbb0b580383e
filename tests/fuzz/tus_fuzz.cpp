// libFuzzer entry: what the parsers of tus headers take is what they were given. A list of pairs, written down again
// and read, is the same list; a size is its digits.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/crypto.h"
#include "http/tus.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace fluxgate;
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  if (const auto pairs = http::tus::parse_metadata(input)) {
    if (pairs->size() > http::tus::kMetadataPairsMax) std::abort();
    std::string written;
    for (const auto& [key, value] : *pairs) written += (written.empty() ? "" : ",") + key + " " + crypto::base64(value);
    if (http::tus::parse_metadata(written) != pairs) std::abort();
  }
  if (const auto checksum = http::tus::parse_checksum(input)) {
    const auto again = http::tus::parse_checksum(checksum->algorithm + " " + crypto::base64(checksum->digest));
    if (!again || again->digest != checksum->digest) std::abort();
  }
  if (const auto number = http::tus::parse_size(input))
    if (!input.ends_with(std::to_string(*number))) std::abort();
  return 0;
}

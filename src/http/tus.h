// Headers of the resumable upload protocol tus 1.0.0 (https://tus.io/protocols/resumable-upload), as pure
// functions over what a client sent.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fluxgate::http::tus {

inline constexpr std::string_view kVersion = "1.0.0";
inline constexpr std::string_view kBodyType = "application/offset+octet-stream";
inline constexpr std::size_t kMetadataPairsMax = 32;

// Upload-Length, Upload-Offset: decimal digits only, at most 2^63 - 1.
std::optional<std::uint64_t> parse_size(std::string_view text);

// Upload-Metadata: pairs separated by commas; a key, then after one space its value in base64, which may be
// missing. Keys are printable ASCII without space and comma, not empty, none twice. nullopt when malformed.
using Metadata = std::map<std::string, std::string, std::less<>>;
std::optional<Metadata> parse_metadata(std::string_view text);

// Upload-Checksum: the algorithm's name, one space, the digest in base64.
struct Checksum {
  std::string algorithm;
  std::string digest;  // raw bytes
};
std::optional<Checksum> parse_checksum(std::string_view text);

// Upload-Concat: "partial", or "final;" and the URLs of the parts in their order, separated by spaces; none twice.
inline constexpr std::string_view kPartial = "partial";
struct Concat {
  std::vector<std::string> parts;  // none: this is a part itself
};
std::optional<Concat> parse_concat(std::string_view text);

}  // namespace fluxgate::http::tus

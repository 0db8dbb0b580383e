// What a PNG has in packed chunks beside its picture: zTXt, compressed iTXt, iCCP (W3C PNG, third edition, §11.3). Whoever
// reads the head of such a file unpacks them all, up to a thousand times their size, before anything could stop it.
#pragma once

#include <cstdint>
#include <string>

namespace fluxgate::files {

// Their bytes as they stand in the file. 0 for what is no PNG or ends early: that is for others to say.
std::uint64_t packed_metadata(const std::string& path);

}  // namespace fluxgate::files

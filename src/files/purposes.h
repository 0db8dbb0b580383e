// What is taken for each purpose: which formats, how many bytes, and the words of a refusal. Pure.
#pragma once

#include "files/files.h"
#include "files/sniff.h"

namespace fluxgate::files {

// unsupported_media (unsupported_image, …_video, …_audio, …_media; context `received`); invalid (empty_file).
Result<void> check_format(Format format, Purpose purpose);
// The most bytes a file of that format may have.
std::uint64_t limit_for(const Options& options, Format format, Purpose purpose);
// The most bytes any file for that purpose may have.
std::uint64_t limit_of(const Options& options, Purpose purpose);
// payload_too_large, file_too_large; context `limit`, in bytes.
Error file_too_large(std::uint64_t limit);

}  // namespace fluxgate::files

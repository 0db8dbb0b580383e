// The table of a WAV file (RIFF), which libav reads past.
#pragma once

#include <string>

namespace fluxgate::files {

// Whether the file ends before its sound does, as its table says. Writers that could not know the length leave a number
// that no file reaches; then nothing is known. Blocks on the disk.
bool wav_is_cut_off(const std::string& path);

}  // namespace fluxgate::files

// Where direct uploads (uploads.h) lie in their store until they are completed.
#pragma once

#include <string>
#include <string_view>

namespace fluxgate::files {

// `folder` as DirectStore has it; of an empty id, what they all begin with.
std::string incoming_key(std::string_view folder, std::string_view id);

}  // namespace fluxgate::files

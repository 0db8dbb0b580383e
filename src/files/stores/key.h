// Which texts may be an object's key, in every store (spec storage-cos §1).
#pragma once

#include <string_view>

#include "base/result.h"

namespace fluxgate::files {

// invalid (object_key_invalid) with context `rule`: empty, too_long (percent-encoded), utf8, control, slash
// (at the start, or two together), segment ("." or "..").
Result<void> check_key(std::string_view key, std::size_t encoded_bytes_max = 850);

}  // namespace fluxgate::files

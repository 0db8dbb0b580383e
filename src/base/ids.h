// Identifiers. Made before a transaction, never inside one, so that a closure can run twice.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"

namespace fluxgate {

// UUID version 7 (RFC 9562 §5.7), lower-case with dashes: sorts by time of making; up to three thousand made in
// one millisecond by one process sort in the order of their making.
std::string new_id(Millis now_ms = system_clock().now_ms());

// True for the 8-4-4-4-12 form of any UUID version, lower or upper case.
bool is_uuid(std::string_view text);

}  // namespace fluxgate

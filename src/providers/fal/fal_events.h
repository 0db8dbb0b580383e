// The status stream (spec/upstream-fal.md §2.5): server-sent events, one status object each, ": ping" between them.
// Of it only the last whole event counts; a stream that is cut says nothing about the end.
#pragma once

#include <string>
#include <string_view>

namespace fluxgate::providers::fal {

// The data of the last event that has come completely; "" when none has. Takes LF and CRLF.
std::string last_event(std::string_view stream);

}  // namespace fluxgate::providers::fal

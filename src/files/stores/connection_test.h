// Trying a store out, and saying in words what is wrong with it.
#pragma once

#include <functional>

#include "files/stores/dialect.h"

namespace fluxgate::files {

using Explain = std::function<Text(std::string_view step, const Error& error)>;

// Writes a small object under a name of its own, reads it, compares, deletes it; stops at the first step that
// fails, but still deletes what it wrote.
awaitable<ConnectionReport> test_connection(Store& store, Explain explain);

// What a failure of that step ("write", "read", "delete") means and how to mend it.
Text explain(const Dialect& dialect, std::string_view step, const Error& error);

// The bucket is elsewhere: that is the failure, whatever else worked.
void note_region(ConnectionReport& report, const std::string& configured, const std::string& found);
// Says how far the clocks are apart, when that is the failure or will soon be one.
void note_clock(ConnectionReport& report);
// All that is wrong, or that nothing is, in a sentence or two.
Text summary(const ConnectionReport& report);

}  // namespace fluxgate::files

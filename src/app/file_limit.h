// How many files and connections this process may hold.
#pragma once

namespace fluxgate::app {

// Raises it to what the system allows the process. Systems still begin with 1 024, for select(2), which nothing here
// uses; a crowd of clients with open event streams is more. Call once, at the start.
void raise_file_limit();

}  // namespace fluxgate::app

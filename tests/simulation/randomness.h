// What is random in the product (ids, tokens, jitter) comes from the seed too, and real time stands still for it
// (std::chrono::steady_clock), so that a story replays exactly on a slow machine as well.
#pragma once

#include <cstdint>

namespace fluxgate::simulation {

// Takes the place of libsodium's generator in this process, for good. Before crypto::initialise; one thread.
void take_over_randomness();
void begin_randomness(std::uint64_t seed);

}  // namespace fluxgate::simulation

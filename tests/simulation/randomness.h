// What is random in the product (ids, tokens, jitter) comes from the seed too, so that a story replays exactly.
#pragma once

#include <cstdint>

namespace fluxgate::simulation {

// Takes the place of libsodium's generator in this process, for good. Before crypto::initialise; one thread.
void take_over_randomness();
void begin_randomness(std::uint64_t seed);

}  // namespace fluxgate::simulation

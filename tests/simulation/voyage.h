// One seed's story: nodes, users, an upstream and a disk, and everything that can go wrong with them, in an order
// that the seed decides. The same seed tells the same story.
#pragma once

#include <cstdint>
#include <string>

namespace fluxgate::simulation {

// "" when every promise held to the end; else what was broken, when, and in what weather.
std::string play(std::uint64_t seed);

}  // namespace fluxgate::simulation

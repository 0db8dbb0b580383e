// One seed's story: nodes, users, an upstream and a disk, and everything that can go wrong with them, in an order
// that the seed decides. The same seed tells the same story.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace fluxgate::simulation {

// "" when every promise held to the end; else what was broken, when, and in what weather.
std::string play(std::uint64_t seed);
// The same, told by its events.
std::string story(std::uint64_t seed);

// In fair weather, with two nodes whose webhooks always reach the one that does not have the task: how long the
// longest task stayed open after the upstream had ended it, and what was broken ("" = nothing).
struct Heard {
  Millis longest = 0;
  std::string broken;
};
Heard hear_by_the_other_node(std::uint64_t seed);

}  // namespace fluxgate::simulation

#include "randomness.h"

#include <chrono>
#include <cstddef>
#include <random>

#include <sodium.h>

namespace fluxgate::simulation {
namespace {

std::mt19937_64 generator;

const char* name() { return "seeded"; }
std::uint32_t number() { return static_cast<std::uint32_t>(generator()); }
void fill(void* place, std::size_t size) {
  for (auto* byte = static_cast<unsigned char*>(place); size != 0; ++byte, --size) *byte = static_cast<unsigned char>(generator());
}

}  // namespace

void take_over_randomness() {
  static randombytes_implementation seeded{name, number, nullptr, nullptr, fill, nullptr};
  randombytes_set_implementation(&seeded);
}

void begin_randomness(std::uint64_t seed) { generator.seed(seed); }

}  // namespace fluxgate::simulation

// In place of the library's: what waits by Asio's timers is woken by the simulation, not by a slow machine.
std::chrono::steady_clock::time_point std::chrono::steady_clock::now() noexcept { return time_point(std::chrono::hours(1)); }

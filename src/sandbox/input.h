// Reading a request's input the way the upstream's runner does: each field against the endpoint's
// table, all faults collected, in the shape of spec/upstream-fal.md §4.1. The upstream does this when
// the request runs, not when it is submitted (§2.6), so the outcome belongs to the result.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "sandbox/endpoints.h"
#include "sandbox/sizes.h"

namespace fluxgate::sandbox {

// What the runner learned about one input image.
struct ImageProbe {
  enum class State { fine, not_downloaded, not_an_image, too_large };
  State state = State::fine;
  PixelSize size{1024, 768};
};
using ProbeImage = std::function<ImageProbe(std::string_view link)>;

struct Input {
  std::string prompt;
  std::optional<std::uint64_t> seed;
  std::uint64_t images_digest = 0;  // of the input images, so that another picture gives another result
  int count = 1;
  int steps = 28;
  PixelSize size{1024, 768};
  std::string format = "jpeg";  // jpeg, png, webp
  bool as_data_uri = false;     // sync_mode
  bool safety_checker = true;
};

struct CheckedInput {
  Input input;
  boost::json::array problems;  // §4.1 detail entries; empty = valid
};
CheckedInput check_input(const Endpoint& endpoint, const boost::json::object& body, const ProbeImage& probe);

// One entry of a `detail` list.
boost::json::object problem(boost::json::array loc, std::string_view message, std::string_view type,
                            boost::json::value input, boost::json::object context = {});

// A 64-bit digest that is the same on every machine; not for secrets.
std::uint64_t stable_digest(std::string_view text);

}  // namespace fluxgate::sandbox

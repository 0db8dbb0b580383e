// Our own words in a schema ("x-…"), read once. Those of the form are the studio's (spec/studio.md §3):
//
//   x-role        prompt negative_prompt image_input mask first_frame last_frame video_input audio_input seed
//                 aspect_ratio size count
//   x-group       basic | advanced             x-widget   a control by name
//   x-label       {"en": …, "zh-CN": …}        x-help     the same
//   x-labels      {"<choice>": {"en": …, "zh-CN": …}}
//   x-visible-if  {"<member>": condition, …}, all of them; a hidden member gets no default (condition.h)
//   x-enabled-if  the same, for the form only
//   x-file        {"mime": [...], "maxBytes", "minSide", "maxSide"} of what the member names
//   x-sizes       {"<choice>": [width, height]}: what a size's names mean, for tiles and prices
//   x-suggestions ["16:9", …]: choices of a text that may also be another
//
// and those of the server:
//
//   x-coerce      "text": a number is taken as text (both sides of the studio do it)
//   x-above       "batch": the refusal above the maximum points to batches
//   x-max-area    the most pixels of an object with width and height
//   x-send        how the member goes upstream, not shown to anybody: false = never, or
//                 {"as": "other_name", "type": "text" | "integer" | "number" | "list"}
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/text.h"
#include "catalogue/condition.h"

namespace fluxgate::catalogue {

// How a member is sent.
struct Send {
  enum class As { value, text, integer, number, list };
  bool sent = true;
  std::string name;  // "" = its own
  As as = As::value;
};

struct Size {
  std::int64_t width = 0, height = 0;
};

struct Words {
  std::string role;
  Text label, help;
  std::map<std::string, Text, std::less<>> labels;
  std::map<std::string, Size, std::less<>> sizes;
  std::vector<std::string> suggestions;
  Conditions visible_if;
  Send send;
  bool coerce_to_text = false;
  bool above_points_to_batches = false;
  std::optional<std::int64_t> max_area;

  // Reads every "x-" member of `schema`; unknown words and wrong values are problems.
  static Words read(const boost::json::object& schema, const std::string& pointer,
                    std::vector<std::pair<std::string, std::string>>& problems);
};

// {"en": …, "zh-CN": …}, both given; nullopt otherwise.
std::optional<Text> text_in(const boost::json::value& value);

}  // namespace fluxgate::catalogue

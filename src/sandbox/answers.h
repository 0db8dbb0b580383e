// What the upstream says about a request: its status, its logs, its result, its pictures. Everything is
// a function of the record, the time and the sandbox's options; nothing is stored and nothing is asked.
// Shapes: spec/upstream-fal.md §2, §3, §4.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/http_message.h"
#include "sandbox/endpoints.h"
#include "sandbox/input.h"
#include "sandbox/picture.h"
#include "sandbox/record.h"

namespace fluxgate::sandbox {

enum class Phase { queued, running, completed };

struct AnswerOptions {
  bool tiny_images = false;  // 16 by 16 pixels instead of the requested size
  double image_scale = 1;    // of each side, e.g. 0.25
};

// The end of a request. `body` lacks the images' links, which depend on who answers.
struct Outcome {
  int status = 200;
  boost::json::object body;
  HeaderList headers;
  std::vector<PictureSpec> pictures;
  bool as_data_uri = false;
  std::string error, error_type;  // for the status; empty when it went well
};

Phase phase_at(const Record& record, Millis now);

// `fault`: the action of a result fault that decides the outcome, or "".
Outcome outcome_of(const Record& record, const ProbeImage& probe, const AnswerOptions& options,
                   std::string_view fault = {});

// Log lines up to `now`, 3 to 8 in all, each with message, timestamp, level, source, labels.
boost::json::array logs_at(const Record& record, const Endpoint* endpoint, Millis now);

// request_id and the three links below `base` ("http://host:port").
void add_links(const Record& record, std::string_view base, boost::json::object& body);

struct StatusView {
  std::string_view base;
  bool with_logs = false;
  int position = 0;
};
boost::json::object status_body(const Record& record, const Outcome& outcome, Phase phase, Millis now,
                                const StatusView& view);

// The path of the index-th picture: "/files/sandbox/<id>-<index>.jpg".
std::string picture_path(const Record& record, const Outcome& outcome, std::size_t index);
struct PictureName {
  std::string id;
  std::size_t index = 0;
};
std::optional<PictureName> read_picture_name(std::string_view file_name);

// Writes the links into the images of a successful body.
void add_picture_links(const Record& record, const Outcome& outcome, std::string_view base,
                       boost::json::object& body);

// Milliseconds that a run takes in the brisk profile: the endpoint's seconds, more for steps, pixels and
// images, never above 2.2 s, so that the default image is done in under 3 s with the wait.
Millis run_time_ms(const Endpoint& endpoint, const CheckedInput& checked, double jitter);

}  // namespace fluxgate::sandbox

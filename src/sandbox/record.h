// One accepted request as it stands in the journal: everything that its status, logs, result and
// pictures derive from, given the time. A line of text, so that a person can read the folder:
//   A <id> <account> <accepted> <start> <end> <json>   accepted (H: with a webhook)
//   C <id> <time>                                      cancelled
//   P <id> <start> <end>                               planned anew, because one before it was cancelled
//   W <id> <time>                                      its webhook was delivered, or given up
// Times are milliseconds since the epoch. The plan is made when the request is accepted, so that any
// sandbox on the folder reads the same one whatever its own options.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/clock.h"
#include "sandbox/faults.h"

namespace fluxgate::sandbox {

struct Record {
  std::string id;
  std::string endpoint;  // "fal-ai/flux-1/dev"
  std::string account;   // digest of the credential
  Millis accepted_ms = 0;
  Millis start_ms = 0;         // when a runner takes it
  Millis end_ms = 0;           // when it is finished
  Millis cancelled_ms = 0;     // 0 = not
  bool start_timeout = false;  // no runner took it in time: it ended at start_ms without a run
  std::uint64_t seed = 0;      // given, or drawn
  boost::json::object input;   // data URIs replaced by what was found in them
  std::string webhook;
  std::vector<Fault> faults;

  bool cancelled() const { return cancelled_ms != 0; }
  double run_seconds() const { return static_cast<double>(end_ms - start_ms) / 1000; }
};

std::string write_accepted(const Record& record);
std::string write_cancelled(std::string_view id, Millis at);
std::string write_planned(std::string_view id, Millis start, Millis end);
std::string write_webhook_done(std::string_view id, Millis at);

using RequestKey = std::array<unsigned char, 16>;
// The bytes of a UUID; nullopt when the text is none.
std::optional<RequestKey> request_key(std::string_view id);

// What the index needs of a line, read without touching its JSON.
struct LineHead {
  char kind = 0;
  RequestKey key{};
  std::string_view account;  // A, H
  Millis accepted = 0, start = 0, end = 0;
  Millis at = 0;          // C, W
  std::string_view json;  // A, H
};
std::optional<LineHead> read_line_head(std::string_view line);
// A whole record out of an A or H line; nullopt when it is damaged.
std::optional<Record> read_accepted(std::string_view line);

}  // namespace fluxgate::sandbox

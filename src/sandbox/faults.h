// What can go wrong on purpose. A fault is written "stage-action", e.g. "submit-429", with options
// after semicolons: ";times=2" (the first two hits, then normal), ";seconds=5" (for slow, hang, late),
// ";p=0.3" (probability). It is asked for
//   - by a flag of the sandbox, for every request;
//   - by the header X-Sandbox-Fault of a call ("a, b" for several): on a submit it belongs to the request
//     for all later stages, on any other call to that call only;
//   - by a marker in the prompt, "[fault:result-500;times=1]", which passes through a gateway.
// Source: spec/upstream-fal.md §9.2. The table of kinds is data; `GET /_sandbox/faults` prints it.
#pragma once

#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace fluxgate::sandbox {

enum class Stage { submit, status, result, cancel, stream, media, webhook, upload };

struct Fault {
  Stage stage = Stage::submit;
  std::string action;  // "429", "lost", "stuck-queue"
  int times = -1;      // hits before it stops; -1 = always
  double probability = 1;
  double seconds = -1;  // -1 = the action's own

  std::string text() const;  // the written form
};

struct FaultKind {
  std::string_view stages;  // "*" or names separated by spaces
  std::string_view action;
  std::string_view effect;
};
std::span<const FaultKind> fault_kinds();

// One fault; nullopt when no such kind exists or an option cannot be read.
std::optional<Fault> parse_fault(std::string_view text);
// A header's list, separated by commas. The error names the first one that is unknown.
Result<std::vector<Fault>> parse_faults(std::string_view list);
// The markers in a prompt; unknown ones are the user's own words and ignored.
std::vector<Fault> faults_in_prompt(std::string_view prompt);

// Counts hits, so that "times" ends. Thread-safe. Counts are not kept over a restart.
class FaultCounter {
 public:
  explicit FaultCounter(std::vector<Fault> global);

  // The first fault of that stage that is due: the request's own, then the global ones. `scope` is what
  // a request's own times are counted for (its id; the prompt while it has none yet); global ones count
  // over all requests.
  std::optional<Fault> hit(Stage stage, std::span<const Fault> own, std::string_view scope);
  // Whether one of these actions is asked for at that stage; counts as a hit only if it is.
  std::optional<Fault> hit(Stage stage, std::span<const Fault> own, std::string_view scope,
                           std::span<const std::string_view> actions);
  // The same for those that never end, without counting: what a request's end will be.
  std::optional<Fault> lasting(Stage stage, std::span<const Fault> own) const;
  // How often this was called with that key: 1, 2, 3 …
  int turn(std::string_view key);

 private:
  bool due(const Fault& fault, std::string_view scope);

  const std::vector<Fault> global_;
  std::mutex mutex_;
  std::unordered_map<std::string, int> hits_;  // guarded; emptied when it grows too large
};

std::string_view stage_name(Stage stage);

}  // namespace fluxgate::sandbox

// Repair as one plan and one change: taking over an old database (db/adopt/), bringing ours up to date, and adding
// what is missing. Only what the plan says is done, and all of it or nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "db/adopt/adopt.h"
#include "db/care.h"
#include "db/database.h"

namespace fluxgate::db {

enum class State {
  empty,         // nothing there: serving sets it up
  ready,         // lines are warnings at most, for what only the operator can mend
  outdated,      // an earlier version of ours, or one whose indexes Open WebUI forgot: serving brings it up to date
  needs_repair,
  newer,         // a later Fluxgate wrote it
};

struct Plan {
  State state = State::empty;
  adopt::Lines lines;     // what is missing or different, what would be taken over
  bool adopts = false;
  std::int64_t version = 0;

  bool possible() const;  // no line of level error
  std::vector<std::string> touched() const;  // the tables that are named
};

// Reads only.
Plan make_plan(Tx& tx, const adopt::Options& options);
// In a transaction that writes. Throws Failure when afterwards something is still missing, CareFailure when there is
// something to take over and `options` has no key to seal its secrets with.
adopt::Lines run_plan(Tx& tx, const adopt::Options& options);

struct Repaired {
  Plan plan;
  std::optional<Backup> backup;
  adopt::Lines report;
  bool scrubbed = true;   // false: VACUUM failed, deleted secrets may still lie in the file
};
// All of it: examines, plans, `go_on(plan)` may stop it (then nothing was changed), backup, change, scrub. Throws
// CareFailure or Failure.
Repaired repair(Care& care, const adopt::Options& options, const std::function<bool(const Plan&)>& go_on);

}  // namespace fluxgate::db

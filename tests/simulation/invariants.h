// What must hold after every step, whatever happened; by name, so that a finding says which promise was broken.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "db/database.h"

namespace fluxgate::simulation {

// What the clients know: by user and Idempotency-Key, "user1 key7", the id they were answered.
using Answered = std::map<std::string, std::string>;

struct Known {
  const Answered& tasks;
  const Answered& batches;
  int asked_for = 0;  // tasks, however often
};

// Those that do not hold now; empty when all is well.
std::vector<std::string> broken_promises(db::Tx& tx, const Known& known);

}  // namespace fluxgate::simulation

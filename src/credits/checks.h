// Invariants as queries that must find nothing. Each is one statement, so it sees one moment, beside a running server
// too.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "db/database.h"

namespace fluxgate::credits {

struct Check {
  const char* sql;   // SELECT subject, found, expected
  const char* what;  // is wrong with each row
};

// A sentence per row found.
std::vector<std::string> findings_of(db::Tx& tx, std::span<const Check> checks);

}  // namespace fluxgate::credits

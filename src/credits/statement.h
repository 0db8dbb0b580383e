// The ledger as its owner reads it: entries with the model and provider they paid for.
#pragma once

#include <string>
#include <vector>

#include "credits/ledger.h"

namespace fluxgate::credits {

struct StatementLine {
  Entry entry;
  std::string model, provider;  // of the entry's task; "" without one
};

// Newest first. `offset` is walked row by row, so callers bound it.
std::vector<StatementLine> statement(db::Tx& tx, std::string_view user_id, std::int64_t limit,
                                     std::int64_t offset);

}  // namespace fluxgate::credits

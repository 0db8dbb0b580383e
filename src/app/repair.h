// Repair with what the installation has: its data folder, its master key. For `fluxgate db repair` and
// `serve --repair`.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/config.h"
#include "base/result.h"
#include "db/repair.h"

namespace fluxgate::app {

// A database::Failure or db::CareFailure as an Error in both languages.
Error database_error(const db::Failure& failure);

// Whose prices are taken over. Empty, which keeps every price, when the descriptors cannot be read: serving says what
// is wrong with them.
std::vector<std::string> flux_models(const Config& config);

struct RepairWishes {
  bool give_back = false;  // credits of unfinished tasks of the old platform
  std::function<bool(const db::Plan&)> go_on;
};
// The master key is made when there is none, but only if keys of an old database are to be sealed.
Result<db::Repaired> repair_database(const Config& config, const std::string& url, const RepairWishes& wishes);

// "  table            sentence (12 → 12 rows)"
std::string describe(const db::adopt::Line& line, Language language);

}  // namespace fluxgate::app

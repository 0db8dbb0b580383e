// Open WebUI's settings in the table `config`, addressed by dotted paths ("ui.enable_signup"; spec/seed-db.md §15): one
// nested JSON object in one row, or in newer releases a row per path. Both are read as one object and written in the
// form found. Open WebUI may share the table, so a write changes the paths it names and keeps everything else.
// Secrets of ours never stand here.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "db/database.h"

namespace fluxgate::identity {

// The whole object; empty when nothing was ever saved. What cannot be read counts as not set, is logged once and left as it
// is (`db check` names it, db/remarks.h): nobody is shut out by one broken value.
boost::json::object load_settings(db::Tx& tx);

// The value at a path; nullptr when absent or null.
const boost::json::value* setting_at(const boost::json::object& settings, std::string_view path);
// Sets one path, making the objects on the way; a non-object in the way is replaced.
void set_setting(boost::json::object& settings, std::string_view path, boost::json::value value);

// Sets the paths in the table (in the caller's transaction).
using SettingChanges = std::vector<std::pair<std::string_view, boost::json::value>>;
void store_settings(db::Tx& tx, const SettingChanges& changes, Millis now);

}  // namespace fluxgate::identity

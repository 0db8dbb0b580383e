// What pages show of files in numbers. The sums come from fg_file_usage; only the last days are counted by rows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/clock.h"
#include "db/database.h"

namespace fluxgate::files {

// {files, bytes, limit, kinds: […]} of one user; limit null: none.
boost::json::object usage_view(db::Tx& tx, const std::string& user_id);
// The users who keep the most, `limit` of them after `offset`: {users: [{user_id, name, email, files, bytes, limit}], files, bytes, total_limit}.
boost::json::object usage_list(db::Tx& tx, int limit, std::int64_t offset);
// As the original's /storage/stats, with what waits to be moved.
boost::json::object stats_view(db::Tx& tx, Millis now);

// Objects at a place that rows refer to, ascending by key, after `after`; on the disk also of one source_type ("" = any).
struct PlacedObject {
  std::string key, mime;
  std::uint64_t size = 0;
};
std::vector<PlacedObject> objects_at(db::Tx& tx, std::string_view place, std::string_view source_type, std::string_view after, int limit);
// How many there are of these.
std::int64_t count_at(db::Tx& tx, std::string_view place, std::string_view source_type, std::string_view after);
// How many they are in all, and how large together.
struct Stock {
  std::int64_t objects = 0;
  std::uint64_t bytes = 0;
};
Stock stock_at(db::Tx& tx, std::string_view place);

}  // namespace fluxgate::files

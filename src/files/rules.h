// The admin's rules for files (fg_setting "files"): how much may be kept, and for how long.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "base/clock.h"
#include "base/result.h"
#include "db/database.h"

namespace fluxgate::files {

// Days after which files are deleted; 0 = never.
struct Retention {
  int result_images = 0;
  int result_videos = 0;   // and sounds
  int uploads = 0;
  int unused_uploads = 0;  // that no task ever had as an input
};

inline constexpr Millis kGraceMin = 15 * 60 * 1000;

struct Rules {
  std::uint64_t user_bytes = 0;   // of one user; 0 = no limit
  std::uint64_t total_bytes = 0;  // of all users together; 0 = no limit
  std::map<std::string, std::uint64_t> users;  // by id, instead of user_bytes
  Retention retention;
  // Bytes that nobody refers to any more are kept so long. Whoever stores the same bytes meanwhile counts on them until its
  // row is there, and a form of many pictures takes its time: less than kGraceMin would lose them.
  Millis grace_ms = 3'600'000;
  std::int64_t rev = 0;           // of what is stored; 0 = never saved

  std::uint64_t limit_of(const std::string& user_id) const;
};

Rules load_rules(db::Tx& tx);
// False when the stored revision is another; then nothing has changed.
bool save_rules(db::Tx& tx, const Rules& rules, Millis now);
boost::json::object to_json(const Rules& rules);

struct Usage {
  std::int64_t files = 0;
  std::uint64_t bytes = 0;  // of every file in full, also where two have the same content
};
Usage usage_of(db::Tx& tx, std::string_view user_id);
Usage usage_of_all(db::Tx& tx);

// Whether the user may keep `bytes` more, 0 asking for any room at all. Errors with `errc` (payload_too_large for
// uploads, invalid for tasks), code storage_quota, context used, limit, received. The user's other transactions wait.
// The limit of all is exact for what was committed; uploads that end at the same moment may pass it together.
Result<void> check_room(db::Tx& tx, const std::string& user_id, std::uint64_t bytes, Errc errc = Errc::payload_too_large);

}  // namespace fluxgate::files

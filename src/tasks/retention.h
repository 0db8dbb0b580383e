// How long ended tasks are kept: as settings, and the work of letting the others go, in small parts.
//
// A task goes with its attempts and the rows of its files; the counters go down with it. Ledger entries and usage stay
// for ever. The bytes of files that nobody names any more are the file store's business. Tasks that have not ended
// are never touched.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "db/database.h"
#include "tasks/task.h"

namespace fluxgate::tasks {

inline constexpr int kRetentionDaysMax = 36'500;
inline constexpr std::int64_t kRetentionTasksMin = 100, kRetentionTasksMax = 100'000'000;

struct Retention {
  int days = 0;               // since the submit; 0 = for ever
  std::int64_t tasks = 0;     // the newest of each user and provider; 0 = all. What is younger than a day stays anyway
  bool archive = true;        // written to DATA_DIR/archive first
  std::int64_t rev = 0;       // 0 = never saved
  bool keeps_all() const { return days == 0 && tasks == 0; }
};

boost::json::object to_json(const Retention& rules);
Retention load_retention(db::Tx& tx);
// False when `rules.rev` is not the stored revision any more.
bool save_retention(db::Tx& tx, const Retention& rules, Millis now);

// One of several nodes does this at a time: true when it is `node`'s turn, for the next `lasts`.
bool take_turn(db::Tx& tx, std::string_view job, std::string_view node, Millis lasts, Millis now);

// A task with all that goes with it.
struct Leaving {
  Task task;
  std::vector<TaskFile> files;
  std::vector<Attempt> attempts;
};
// The oldest tasks beyond the age, at most `limit`.
std::vector<Leaving> too_old(db::Tx& tx, const Retention& rules, Millis now, int limit);
// Tasks beyond the number, of users after `user`, at most `limit`; `user` becomes where to go on, "" at the end.
std::vector<Leaving> too_many(db::Tx& tx, const Retention& rules, Millis now, int limit, std::string& user);

// Lets tasks of one user go; those that are there and have ended. How many went.
int remove(db::Tx& tx, const std::string& user_id, const std::vector<std::string>& ids, Millis now);

}  // namespace fluxgate::tasks

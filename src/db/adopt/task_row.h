// A row of an old task table, in our words: what was asked for, how it ended, what came of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "db/adopt/dates.h"
#include "db/adopt/old_ids.h"
#include "db/adopt/old_tasks.h"
#include "db/adopt/results.h"
#include "db/adopt/source.h"
#include "db/adopt/work.h"

namespace fluxgate::db::adopt {

// What a row says, in our words.
struct OldTask {
  NewTask task;
  std::string endpoint, model, prompt, upstream_id;
  std::string status = "failed", error_code;
  Text error;
  boost::json::object params, result;
  boost::json::array inputs;
  std::int64_t images = 1, cost = 0, charged = 0;
  Millis updated_at = 0;
  std::optional<Millis> started_at, completed_at;
  bool waits_for_upstream = false;
  std::vector<OldResult> results;
  std::vector<KeptFile> kept_inputs;  // in `inputs` they are nulls, in this order, until their rows are made
};

// Reads the rows of one table. Bytes that stand in it become files (Options::keep); they are counted.
class TaskReader {
 public:
  // `undated`: when tasks without any date were made.
  TaskReader(const Work& work, const OldTasks& kind, Source& source, Millis undated);

  std::string id_of(const OldRow& row) const { return row.text(at_.id); }  // "" = the row has none
  Whose whose(const OldRow& row) const { return {row.text(at_.user), row.text(at_.prompt)}; }
  // `old_id`: what the import is recognised by (old_ids.h).
  OldTask read(const OldRow& row, std::string old_id);
  std::int64_t kept() const { return kept_; }              // values that became files
  std::int64_t unreadable() const { return unreadable_; }  // that are none, and stay in the old table

 private:
  struct Columns {
    Columns(Source& source, const OldTasks& kind);
    int id, user, endpoint, status, model, prompt, cost, upstream, error, updated, started, finished, progress, seed, images,
        sync_mode, seconds, stored_url, url, answer, input_list = -1;
    std::vector<int> inputs, params, extra, legacy;
  };

  void read_request(const OldRow& row, OldTask& old);
  void read_input(std::string_view text, OldTask& old);
  std::optional<KeptFile> keep_file(std::string_view text);
  void read_results(const OldRow& row, OldTask& old);
  void decide_end(const OldRow& row, OldTask& old) const;
  bool may_resume(const OldRow& row, const OldTask& old) const;

  const Work& work_;
  const OldTasks& kind_;
  const Columns at_;
  const MadeAt made_at_;
  const Millis undated_;
  std::int64_t kept_ = 0, unreadable_ = 0;
};

}  // namespace fluxgate::db::adopt

// The results of an old task: links, with what is known of the files behind them, or bytes that became files of ours.
#pragma once

#include <string>
#include <vector>

#include "db/adopt/old_tasks.h"
#include "db/adopt/source.h"
#include "db/adopt/work.h"

namespace fluxgate::db::adopt {

struct OldResult {
  std::string link, data;  // one of them; data: a data URI
  KeptFile kept;           // what became of `data`
  std::string file_id;  // of its row in generated_files; "" = none yet
  std::string name, mime;
  int width = 0, height = 0;
};

// What belongs to a row, best first: its stored copy, the copy that generated_files knows, the upstream's own link;
// behind it the further images of the upstream's answer. Pure.
struct ResultSources {
  std::string stored_url, url;      // of the task's row
  boost::json::value answer;        // {"images": [{"url", "width", "height", "content_type"}]}
  std::vector<OldResult> uploaded;  // rows of generated_files of this task that were uploaded
};
std::vector<OldResult> choose_results(const ResultSources& from, std::string_view media_type);

std::vector<OldResult> uploaded_files(Tx& tx, const OldTasks& kind, std::string_view legacy_id);

// Makes the missing rows of generated_files and the rows of fg_task_file. `results` get their file ids.
struct NewTask {
  std::string id, legacy_id, user_id, provider, seed;
  Millis created_at = 0;
};
// A row of generated_files for bytes that are kept; its id.
struct NewFile {
  std::string user_id, name, source_type, source_task_id;  // "" = none, as uploads have none
  Millis created_at = 0;
};
std::string insert_kept_file(Tx& tx, const NewFile& file, const KeptFile& kept);
void insert_results(Work& work, const NewTask& task, std::vector<OldResult>& results);

}  // namespace fluxgate::db::adopt

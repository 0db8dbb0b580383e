// The fork's task tables, as data: which column plays which part, in every shape of spec/seed-db.md §4–§9.
#pragma once

#include <span>
#include <string_view>

#include <boost/json/value.hpp>

#include "db/adopt/values.h"

namespace fluxgate::db::adopt {

enum class Keep { text, number, flag, json };

struct KeptColumn {
  std::string_view name;
  Keep as = Keep::text;
};

// Columns as Source::pick takes them.
struct OldTasks {
  std::string_view table;         // of the original
  std::string_view provider;      // ours, and `source_type` of generated_files
  std::string_view model;         // where the row names none
  std::string_view media_type;    // of results, where their links do not tell
  std::string_view endpoint = "action";
  std::string_view model_column = "model";
  std::string_view cost = "credits_cost";
  std::string_view upstream = "";          // the upstream's id of it
  std::string_view error = "fail_reason";
  std::string_view started = "";
  std::string_view finished = "finish_time";
  std::string_view stored_url = "";        // its stored copy
  std::string_view url = "";               // the upstream's result
  std::string_view answer = "";            // the upstream's last answer, with "images"
  // What it was made from: links, or whole files in base64, which become files. Masks inside of JSON stay where they are.
  std::span<const std::string_view> inputs = {};
  std::span<const KeptColumn> params = {};
  std::span<const KeptColumn> extra = {};   // result.extra: what the upstream said beside its results
  std::span<const KeptColumn> legacy = {};  // params.legacy: what only the old platform knew
  bool local_times = false;                // began and ended stand in the old server's time (spec/seed-db.md §3.1)
  bool resumable = false;                  // by one of our adapters, see resume_reference()
};

std::span<const OldTasks> old_tasks();

// A kept value as JSON; nullptr when absent. A number that is none stays the text it is.
boost::json::value kept_value(Cell cell, Keep as);

}  // namespace fluxgate::db::adopt

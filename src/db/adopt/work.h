// What the parts of carry_over share. Each part reads *_legacy tables and writes ours in the caller's transaction.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/adopt/adopt.h"
#include "db/adopt/bucket.h"

namespace fluxgate::db::adopt {

struct Work {
  Tx& tx;
  const Options& options;
  Lines& lines;
  Bucket bucket;               // of cloud_storage_config, set by storage_over()
  bool flux_key = false;       // whether an account for FLUX was taken over with its key, set by upstreams_over()
  std::set<std::string> refunded;  // old ids of tasks (lost.h), set by tasks_over()

  void say(std::string_view table, Text text, Level level = Level::info, std::int64_t in = 0, std::int64_t out = 0) const {
    lines.push_back({std::string(table), std::move(text), level, in, out});
  }
};

// ---- names (names.cpp) ----

// Tables that stay where they are unless they have the shape of the fork's repair script: folder, channel,
// generated_files, cloud_storage_config. Which of them do.
std::vector<std::string> repair_shaped(Tx& tx);
// `table` wherever its rows may be: under its own name, and under those set_aside gave it: "<table>_legacy",
// "<table>_legacy_2" …
std::vector<std::string> copies(Tx& tx, std::string_view table);
// Those under set_aside's names that are not carried over yet.
std::vector<std::string> waiting(Tx& tx, std::string_view table);
// The same while planning: under its own name too, last, as it has not been set aside yet.
std::vector<std::string> still_here(Tx& tx, std::string_view table);
// The name that set_aside gives it.
std::string free_name(Tx& tx, std::string_view table);
void mark_done(Work& work, std::string_view legacy_table, std::int64_t rows_in, std::int64_t rows_out);
// Throws Failure unless every row is accounted for.
void check_count(std::string_view table, std::int64_t rows_in, std::int64_t rows_out, std::int64_t left_out);

// ---- the parts, in the order carry_over runs them ----
void storage_over(Work& work);    // storage.cpp: cloud_storage_config, generated_files
void upstreams_over(Work& work);  // upstreams.cpp: flux_config, mj_config, … with sealed keys
void tasks_over(Work& work);      // tasks.cpp: *_tasks with results, counters
void credits_over(Work& work);    // credits.cpp: accounts, ledger, codes, tickets
void people_over(Work& work);     // people.cpp: an account for everybody; folder and channel
void give_back_over(Work& work);  // lost.cpp: with Options::give_back, credits of lost tasks

// ---- what the plan says of each part; read only ----
void plan_storage(Tx& tx, Lines& lines);
void plan_upstreams(Tx& tx, const Options& options, Lines& lines);
void plan_tasks(Tx& tx, const Options& options, Lines& lines);
void plan_credits(Tx& tx, Lines& lines);
void plan_people(Tx& tx, Lines& lines);

}  // namespace fluxgate::db::adopt

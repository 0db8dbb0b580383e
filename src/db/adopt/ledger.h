// The old log of credits as entries of our ledger.
#pragma once

#include <cstdint>
#include <string_view>

#include "db/adopt/work.h"

namespace fluxgate::db::adopt {

struct NewEntry {
  std::string_view user_id, kind;
  std::int64_t amount = 0, balance_after = 0;  // thousandths
  std::string_view reason;
  Millis at = 0;
  std::string_view provider = "", old_task_id = "";  // the task it is about, where the log says so
};
void insert_entry(Tx& tx, const NewEntry& entry);

void log_over(Work& work);
void plan_log(Tx& tx, Lines& lines);

}  // namespace fluxgate::db::adopt

// When the tasks of an old table were made. Rows without created_at, or with one that is no time ("infinity"), are known
// (spec/seed-db.md §6.2): the earliest time that the row has counts then.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "db/adopt/source.h"

namespace fluxgate::db::adopt {

// What a row says of it; nullopt when it has no time at all.
class MadeAt {
 public:
  explicit MadeAt(Source& source);
  std::optional<Millis> of(const OldRow& row) const;

 private:
  int created_;
  std::vector<int> others_;
};

struct TableDates {
  std::int64_t undated = 0;  // rows that have no time at all; they count as made at:
  Millis earliest = 0;       // when the oldest row was made that has one; without any, before there was a fork
};
TableDates dates_of(Tx& tx, const std::string& table);
Text undated_text(const TableDates& dates);

}  // namespace fluxgate::db::adopt

#include "db/adopt/dates.h"

#include <algorithm>

#include <fmt/format.h>

namespace fluxgate::db::adopt {

MadeAt::MadeAt(Source& source) : created_(source.pick("created_at")) {
  for (std::string_view column : {"submit_time", "start_time", "finish_time", "complete_time", "completed_at", "updated_at"})
    if (source.has(column)) others_.push_back(source.pick(column));
}

std::optional<Millis> MadeAt::of(const OldRow& row) const {
  if (const auto created = time_of(row[created_])) return created;
  std::optional<Millis> earliest;
  for (const int column : others_)
    if (const auto time = time_of(row[column])) earliest = std::min(*time, earliest.value_or(*time));
  return earliest;
}

TableDates dates_of(Tx& tx, const std::string& table) {
  constexpr Millis kBeforeTheFork = 1'735'689'600'000;  // 2025-01-01 UTC
  Source source(tx, table);
  const int id = source.pick("id");
  const MadeAt made_at(source);
  std::int64_t undated = 0;
  std::optional<Millis> earliest;
  source.each("", [&](const OldRow& row) {
    if (row.text(id).empty()) return;
    if (const auto made = made_at.of(row)) earliest = std::min(*made, earliest.value_or(*made));
    else ++undated;
  });
  return {undated, earliest.value_or(kBeforeTheFork)};
}

Text undated_text(const TableDates& dates) {
  const std::string when = datetime_text(dates.earliest).substr(0, 19);
  return {fmt::format("{} tasks have no date at all; they count as made at {} UTC, as no other of this table is older.", dates.undated, when),
          fmt::format("{} 个任务没有任何日期，按 {} UTC 计（表中没有更早的任务）。", dates.undated, when)};
}

}  // namespace fluxgate::db::adopt

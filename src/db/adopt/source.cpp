#include "db/adopt/source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ids.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {

std::string OldRow::id(int number, Millis at) const {
  std::string known = text(number);
  return known.empty() ? new_id(at) : known;
}

Source::Source(Tx& tx, std::string table) : tx_(tx), table_(std::move(table)) {
  for (FoundColumn& column : columns_of(tx, table_)) columns_.insert(std::move(column.name));
}

std::int64_t Source::rows() const { return tx_.number(fmt::format("SELECT COUNT(*) FROM {}", quoted_name(table_))); }

int Source::pick(std::string_view columns) {
  std::vector<std::string> found;
  while (!columns.empty()) {
    const auto bar = columns.find('|');
    const std::string_view name = columns.substr(0, bar);
    if (has(name)) found.push_back(fmt::format("CAST({} AS TEXT)", quoted_name(name)));
    columns.remove_prefix(bar == std::string_view::npos ? columns.size() : bar + 1);
  }
  if (found.empty()) return -1;
  if (found.size() > 1)
    for (std::string& value : found) value = fmt::format("NULLIF({}, '')", value);
  picked_.push_back(found.size() == 1 ? found.front() : fmt::format("COALESCE({})", fmt::join(found, ", ")));
  return static_cast<int>(picked_.size()) - 1;
}

void Source::each(std::string_view order, const std::function<void(const OldRow&)>& on_row) const {
  const bool postgresql = tx_.dialect() == Dialect::postgresql;
  const std::string select =
      fmt::format("SELECT {} FROM {} ORDER BY {}{}{}", picked_.empty() ? "1" : fmt::format("{}", fmt::join(picked_, ", ")),
                  quoted_name(table_), order, order.empty() ? "" : ", ", postgresql ? "ctid" : "rowid");
  const auto pass_on = [&](const Row& row) { on_row(OldRow(row)); };
  if (!postgresql) {
    tx_.each(select, {}, pass_on);
    return;
  }
  constexpr int kAtOnce = 20;  // a row may hold whole pictures in base64, megabytes of it, and these are in memory at once
  tx_.exec(fmt::format("DECLARE adopt_rows NO SCROLL CURSOR FOR {}", select));
  for (int got = kAtOnce; got == kAtOnce;) {
    got = 0;
    tx_.each(fmt::format("FETCH {} FROM adopt_rows", kAtOnce), {}, [&](const Row& row) {
      ++got;
      pass_on(row);
    });
  }
  tx_.exec("CLOSE adopt_rows");
}

}  // namespace fluxgate::db::adopt

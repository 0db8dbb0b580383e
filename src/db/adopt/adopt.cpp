#include "db/adopt/adopt.h"

#include "db/introspect.h"

namespace fluxgate::db::adopt {
namespace {

// Names that are views in a database of ours.
constexpr std::string_view kNames[] = {"flux_config",     "flux_tasks",  "flux_credits", "mj_tasks",  "dreamwork_tasks",
                                       "kling_tasks", "jimeng_tasks", "credit",    "credit_log"};

std::vector<std::string> old_tables(Tx& tx) {
  std::vector<std::string> found;
  for (std::string_view name : kNames)
    if (kind_of(tx, name) == Kind::table) found.emplace_back(name);
  return found;
}

}  // namespace

bool needed(Tx& tx) { return !old_tables(tx).empty(); }

Lines plan(Tx& tx, const Options&) {
  Lines lines;
  for (std::string& table : old_tables(tx))
    lines.push_back({std::move(table),
                     {"A table of the old platform; this version cannot take it over.", "旧平台的数据表，此版本无法接管。"},
                     Level::error});
  return lines;
}

void set_aside(Tx& tx, const Options&) {
  if (needed(tx)) throw Failure("this version cannot take over the old platform's tables");
}

Lines carry_over(Tx&, const Options&) { return {}; }

}  // namespace fluxgate::db::adopt

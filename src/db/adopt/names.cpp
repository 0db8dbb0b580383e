// Which tables are whose, and which have been carried over.
#include <algorithm>

#include <fmt/format.h>

#include "db/adopt/work.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {
namespace {

constexpr std::string_view kForkTables[] = {
    "flux_config",   "flux_tasks",   "flux_credits",   "mj_config",     "mj_tasks",
    "mj_credits",    "dreamwork_config", "dreamwork_tasks", "dreamwork_credits", "kling_config",
    "kling_tasks",   "kling_credits", "jimeng_config", "jimeng_tasks",  "kling_lip_sync_config",
    "kling_lip_sync_tasks", "kling_lip_sync_credits", "credit",  "credit_log",    "trade_ticket",
    "redemption_code"};

// A column that the shape of the application has and the repair script's lacks.
struct Shape {
  std::string_view table, lacks;
};
constexpr Shape kRepairShapes[] = {{"folder", "is_expanded"},
                                   {"channel", "access_control"},
                                   {"generated_files", "storage_provider"},
                                   {"cloud_storage_config", "base_path"}};

std::string marker(std::string_view legacy_table) { return fmt::format("adopted:{}", legacy_table); }

}  // namespace

std::span<const std::string_view> fork_tables() { return kForkTables; }

// Older releases of Open WebUI lack columns as well, but keep integers for times: the repair script never does.
std::vector<std::string> repair_shaped(Tx& tx) {
  const auto has_dates = [&](std::string_view table) {
    return std::ranges::any_of(columns_of(tx, table), [](const FoundColumn& column) {
      return column.name == "created_at" && (column.type.starts_with("DATETIME") || column.type.starts_with("TIMESTAMP"));
    });
  };
  std::vector<std::string> found;
  for (const Shape& shape : kRepairShapes)
    if (kind_of(tx, shape.table) == Kind::table && !has_column(tx, shape.table, shape.lacks) && has_dates(shape.table))
      found.emplace_back(shape.table);
  return found;
}

std::vector<std::string> copies(Tx& tx, std::string_view table) {
  std::vector<std::string> found;
  for (int number = 1;; ++number) {
    std::string name = number == 1 ? fmt::format("{}_legacy", table) : fmt::format("{}_legacy_{}", table, number);
    if (!is_taken(tx, name)) break;
    if (kind_of(tx, name) == Kind::table) found.push_back(std::move(name));  // not an index or a view: the next name was taken instead
  }
  if (kind_of(tx, table) == Kind::table) found.emplace_back(table);
  return found;
}

std::vector<std::string> still_here(Tx& tx, std::string_view table) {
  std::vector<std::string> found = copies(tx, table);
  if (kind_of(tx, "fg_once") == Kind::table)
    std::erase_if(found, [&tx](const std::string& name) { return tx.number("SELECT COUNT(*) FROM fg_once WHERE name = $1", {marker(name)}) != 0; });
  return found;
}

std::string free_name(Tx& tx, std::string_view table) {
  std::string name = fmt::format("{}_legacy", table);
  for (int number = 2; is_taken(tx, name); ++number) name = fmt::format("{}_legacy_{}", table, number);
  return name;
}

std::vector<std::string> waiting(Tx& tx, std::string_view table) {
  std::vector<std::string> found = still_here(tx, table);
  std::erase(found, table);
  return found;
}

void mark_done(Work& work, std::string_view legacy_table, std::int64_t rows_in, std::int64_t rows_out) {
  const std::string counts = fmt::format(R"({{"rows_in":{},"rows_out":{}}})", rows_in, rows_out);
  work.tx.exec("INSERT INTO fg_once (name, value, created_at) VALUES ($1, $2, $3)",
               {marker(legacy_table), counts, work.options.now});
}

void check_count(std::string_view table, std::int64_t rows_in, std::int64_t rows_out, std::int64_t left_out) {
  if (rows_in == rows_out + left_out) return;
  throw Failure(fmt::format("table {}: of {} rows {} were taken over and {} left out with a reason; the rest is missing, so nothing "
                            "was changed",
                            table, rows_in, rows_out, left_out));
}

}  // namespace fluxgate::db::adopt

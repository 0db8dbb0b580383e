// The few expressions that the two engines spell differently, for views.cpp. Arguments are SQL expressions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "db/database.h"

namespace fluxgate::db {

class ViewSql {
 public:
  explicit ViewSql(Dialect dialect) : sqlite_(dialect == Dialect::sqlite) {}

  // Epoch milliseconds → the original's DATETIME, or its epoch seconds.
  std::string date(std::string_view ms) const;
  std::string seconds(std::string_view ms) const;
  // Thousandths → credits.
  std::string credits(std::string_view thousandths) const;

  // Of a JSON text, at a path such as "extra.buttons" or "outputs.0.url"; NULL when absent. A value that is no number
  // (no boolean) gives NULL.
  std::string text(std::string_view json, std::string_view path) const;
  std::string number(std::string_view json, std::string_view path) const;
  std::string flag(std::string_view json, std::string_view path) const;
  std::string json(std::string_view json, std::string_view path) const;

  // Digits kept as text → a number; beyond 2^63 it stays text on SQLite.
  std::string big_number(std::string_view text) const;
  std::string as_json(std::string_view text) const;
  std::string object(const std::vector<std::pair<std::string, std::string>>& members) const;
  std::string boolean(bool value) const;
  // The parts of fg_task.inputs without the signatures of our own links.
  std::string link(std::string_view text) const;
  std::string links(std::string_view json) const;
  // {"model": thousandths, …} at a path → {"model": credits, …}
  std::string prices(std::string_view json, std::string_view path) const;
  std::string count(std::string_view json) const;  // of an array's items
  // After the one table of a FROM: PostgreSQL would write through a view of one table. Costs nothing.
  std::string_view read_only() const { return sqlite_ ? "" : " CROSS JOIN (SELECT 1) AS read_only"; }

 private:
  const bool sqlite_;
};

}  // namespace fluxgate::db

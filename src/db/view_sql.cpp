#include "db/view_sql.h"

#include <fmt/format.h>

namespace fluxgate::db {
namespace {

// "outputs.0.url" → "$.outputs[0].url" or "{outputs,0,url}".
std::string sqlite_path(std::string_view path) {
  std::string text = "$";
  while (!path.empty()) {
    const std::string_view step = path.substr(0, path.find('.'));
    const bool index = step.find_first_not_of("0123456789") == std::string_view::npos;
    text += index ? fmt::format("[{}]", step) : fmt::format(".{}", step);
    path.remove_prefix(std::min(path.size(), step.size() + 1));
  }
  return text;
}

std::string postgresql_path(std::string_view path) {
  std::string text(path);
  for (char& c : text)
    if (c == '.') c = ',';
  return "{" + text + "}";
}

constexpr std::string_view kNumber = "^-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?$";

}  // namespace

std::string ViewSql::date(std::string_view ms) const {
  // By whole numbers: no digit is lost or rounded.
  if (sqlite_) return fmt::format("datetime({0} / 1000, 'unixepoch') || format('.%06d', {0} % 1000 * 1000)", ms);
  return fmt::format("TIMESTAMP 'epoch' + {} * INTERVAL '1 millisecond'", ms);
}

std::string ViewSql::seconds(std::string_view ms) const { return fmt::format("{} / 1000", ms); }

std::string ViewSql::credits(std::string_view thousandths) const {
  if (sqlite_) return fmt::format("CASE WHEN ({0}) % 1000 = 0 THEN ({0}) / 1000 ELSE ({0}) / 1000.0 END", thousandths);
  return fmt::format("trim_scale(CAST({} AS NUMERIC) / 1000)", thousandths);
}

std::string ViewSql::text(std::string_view json, std::string_view path) const {
  if (sqlite_) return fmt::format("CAST(json_extract({}, '{}') AS TEXT)", json, sqlite_path(path));
  return fmt::format("(CAST({} AS JSON) #>> '{}')", json, postgresql_path(path));
}

std::string ViewSql::number(std::string_view json, std::string_view path) const {
  if (sqlite_)
    return fmt::format("CASE WHEN json_type({0}, '{1}') IN ('integer', 'real') THEN json_extract({0}, '{1}') END", json, sqlite_path(path));
  const std::string value = text(json, path);
  return fmt::format("CASE WHEN {0} ~ '{1}' THEN CAST({0} AS NUMERIC) END", value, kNumber);
}

std::string ViewSql::flag(std::string_view json, std::string_view path) const {
  if (sqlite_)
    return fmt::format("CASE WHEN json_type({0}, '{1}') IN ('true', 'false') THEN json_extract({0}, '{1}') END", json, sqlite_path(path));
  return fmt::format("CASE {} WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END", text(json, path));
}

std::string ViewSql::json(std::string_view json, std::string_view path) const {
  if (sqlite_) return fmt::format("json_extract({}, '{}')", json, sqlite_path(path));
  return fmt::format("(CAST({} AS JSON) #> '{}')", json, postgresql_path(path));
}

std::string ViewSql::big_number(std::string_view text) const {
  if (sqlite_) return fmt::format("CASE WHEN length({0}) < 19 THEN CAST({0} AS INTEGER) ELSE {0} END", text);
  return fmt::format("CASE WHEN {0} ~ '^-?[0-9]+$' THEN CAST({0} AS NUMERIC) END", text);
}

std::string ViewSql::as_json(std::string_view text) const {
  return sqlite_ ? std::string(text) : fmt::format("CAST({} AS JSON)", text);
}

std::string ViewSql::object(const std::vector<std::pair<std::string, std::string>>& members) const {
  std::string list;
  for (const auto& [name, value] : members) list += fmt::format("{}'{}', {}", list.empty() ? "" : ", ", name, value);
  return fmt::format("{}({})", sqlite_ ? "json_object" : "json_build_object", list);
}

std::string ViewSql::boolean(bool value) const {
  if (sqlite_) return value ? "1" : "0";
  return value ? "TRUE" : "FALSE";
}

std::string ViewSql::link(std::string_view text) const {
  if (sqlite_)
    return fmt::format("CASE WHEN {0} LIKE '%/files/%?e=%' THEN substr({0}, 1, instr({0}, '?') - 1) ELSE {0} END", text);
  return fmt::format("CASE WHEN {0} LIKE '%/files/%?e=%' THEN split_part({0}, '?', 1) ELSE {0} END", text);
}

std::string ViewSql::links(std::string_view json) const {
  if (sqlite_) return fmt::format("(SELECT json_group_array({}) FROM json_each({}) i)", link("i.value"), json);
  return fmt::format("(SELECT json_agg({}) FROM json_array_elements_text(CAST({} AS JSON)) AS i(value))", link("i.value"), json);
}

std::string ViewSql::prices(std::string_view json, std::string_view path) const {
  if (sqlite_)
    return fmt::format("(SELECT json_group_object(p.key, {}) FROM json_each({}, '{}') p)", credits("p.value"), json, sqlite_path(path));
  return fmt::format("COALESCE((SELECT CAST(json_object_agg(p.key, {}) AS TEXT) FROM json_each_text({}) AS p(key, value)), '{{}}')",
                     credits("p.value"), this->json(json, path));
}

std::string ViewSql::count(std::string_view json) const {
  return sqlite_ ? fmt::format("json_array_length({})", json) : fmt::format("json_array_length(CAST({} AS JSON))", json);
}

}  // namespace fluxgate::db

#include "files/storage_stats.h"

#include <fmt/format.h>

#include "files/rows.h"
#include "files/rules.h"
#include "files/store_table.h"

namespace fluxgate::files {
namespace {

namespace json = boost::json;

constexpr Millis kDay = 24ll * 3600 * 1000;

json::value limit_or_null(std::uint64_t limit) { return limit == 0 ? json::value(nullptr) : json::value(limit); }

std::string size_in_words(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KB", "MB", "GB", "TB", "PB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < std::size(kUnits)) {
    amount /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

json::object distribution(db::Tx& tx, std::string_view column) {
  json::object counted;
  tx.each(fmt::format("SELECT {0}, SUM(files), SUM(bytes) FROM fg_file_usage WHERE source_type <> '' GROUP BY {0} ORDER BY {0}", column), {},
          [&](const db::Row& row) { counted[row.text(0)] = {{"count", row.i64(1)}, {"size", row.i64(2)}}; });
  return counted;
}

json::array daily_trend(db::Tx& tx, Millis now) {
  json::array days;
  const std::string since = sql_time(now - 6 * kDay).substr(0, 10);
  tx.each("SELECT SUBSTR(CAST(created_at AS TEXT), 1, 10) AS day, COUNT(*), COALESCE(SUM(file_size), 0) FROM generated_files "
          "WHERE status = 'uploaded' AND created_at >= $1 GROUP BY SUBSTR(CAST(created_at AS TEXT), 1, 10) ORDER BY day",
          {since}, [&](const db::Row& row) {
            days.push_back({{"date", row.text(0)}, {"count", row.i64(1)}, {"size", row.i64(2)}});
          });
  return days;
}

json::array recent_failures(db::Tx& tx) {
  json::array list;
  tx.each("SELECT key, error, tries FROM fg_file_object WHERE next_at IS NOT NULL AND error IS NOT NULL ORDER BY next_at LIMIT 5", {},
          [&](const db::Row& row) {
            list.push_back({{"key", row.text(0)}, {"error_message", row.text(1)}, {"tries", row.i64(2)}});
          });
  return list;
}

// Where the bytes are, as the configuration names it.
json::array places(db::Tx& tx) {
  json::array list;
  tx.each("SELECT place, COUNT(*), COALESCE(SUM(size), 0) FROM fg_file_object GROUP BY place ORDER BY place", {}, [&](const db::Row& row) {
    list.push_back({{"id", row.text(0)}, {"objects", row.i64(1)}, {"bytes", row.i64(2)}});
  });
  for (auto& place : list) {
    const std::string id(place.at("id").as_string());
    place.as_object()["provider"] = id == "local" ? id : provider_of(tx, id);
  }
  return list;
}

}  // namespace

json::object usage_view(db::Tx& tx, const std::string& user_id) {
  const Usage usage = usage_of(tx, user_id);
  json::array kinds;
  tx.each("SELECT source_type, file_type, files, bytes FROM fg_file_usage WHERE user_id = $1 AND source_type <> '' AND files > 0 "
          "ORDER BY source_type, file_type",
          {user_id}, [&](const db::Row& row) {
            kinds.push_back({{"source_type", row.text(0)}, {"file_type", row.text(1)}, {"files", row.i64(2)}, {"bytes", row.i64(3)}});
          });
  return {{"files", usage.files},
          {"bytes", usage.bytes},
          {"limit", limit_or_null(load_rules(tx).limit_of(user_id))},
          {"kinds", std::move(kinds)}};
}

json::object usage_list(db::Tx& tx, int limit, std::int64_t offset) {
  const Rules rules = load_rules(tx);
  const Usage all = usage_of_all(tx);
  json::array users;
  tx.each("SELECT f.user_id, u.name, u.email, f.files, f.bytes FROM fg_file_usage f LEFT JOIN \"user\" u ON u.id = f.user_id "
          "WHERE f.source_type = '' AND (f.files > 0 OR u.id IS NOT NULL) ORDER BY f.bytes DESC, f.user_id LIMIT $1 OFFSET $2",
          {limit, offset}, [&](const db::Row& row) {
            users.push_back({{"user_id", row.text(0)},
                             {"name", row.text(1)},
                             {"email", row.text(2)},
                             {"files", row.i64(3)},
                             {"bytes", row.i64(4)},
                             {"limit", limit_or_null(rules.limit_of(row.str(0)))}});
          });
  return {{"users", std::move(users)}, {"files", all.files}, {"bytes", all.bytes}, {"total_limit", limit_or_null(rules.total_bytes)}};
}

json::object stats_view(db::Tx& tx, Millis now) {
  const Usage all = usage_of_all(tx);
  const auto counted = [&](std::string_view status) {
    return tx.number("SELECT COUNT(*) FROM generated_files WHERE status = $1", {status});
  };
  const std::int64_t failed = counted("failed");
  const auto waiting = *tx.first(
      "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM fg_file_object WHERE next_at IS NOT NULL AND place = 'local' AND refs > 0", {},
      [](const db::Row& row) { return Usage{row.i64(0), static_cast<std::uint64_t>(row.i64(1))}; });
  const std::int64_t total = all.files + failed + counted("pending");
  json::array top;
  for (auto& user : usage_list(tx, 10, 0).at("users").as_array())
    top.push_back({{"user_id", user.at("user_id")}, {"count", user.at("files")}, {"size", user.at("bytes")}});
  return {{"summary",
           {{"total_files", total},
            {"uploaded_files", all.files},
            {"failed_files", failed},
            {"pending_files", waiting.files},
            {"pending_size", waiting.bytes},
            {"total_size", all.bytes},
            {"total_size_formatted", size_in_words(all.bytes)},
            {"success_rate", total == 0 ? 0.0 : static_cast<double>(all.files) * 100.0 / static_cast<double>(total)}}},
          {"type_distribution", distribution(tx, "file_type")},
          {"source_distribution", distribution(tx, "source_type")},
          {"places", places(tx)},
          {"top_users", std::move(top)},
          {"daily_trend", daily_trend(tx, now)},
          {"recent_failures", recent_failures(tx)}};
}

std::vector<PlacedObject> objects_at(db::Tx& tx, std::string_view place, std::string_view source_type, std::string_view after, int limit) {
  return tx.all(
      "SELECT o.key, COALESCE((SELECT MAX(g.mime_type) FROM generated_files g WHERE g.local_path = o.key), "
      "(SELECT MAX(g.mime_type) FROM generated_files g WHERE g.cloud_path = o.cloud_path), ''), o.size FROM fg_file_object o "
      "WHERE o.place = $1 AND o.refs > 0 AND o.key > $2 AND ($3 = '' OR EXISTS (SELECT 1 "
      "FROM generated_files g WHERE g.local_path = o.key AND g.source_type = $3)) ORDER BY o.key LIMIT $4",
      {place, after, source_type, limit},
      [](const db::Row& row) { return PlacedObject{row.str(0), row.str(1), static_cast<std::uint64_t>(row.i64(2))}; });
}

std::int64_t count_at(db::Tx& tx, std::string_view place, std::string_view source_type, std::string_view after) {
  return tx.number(
      "SELECT COUNT(*) FROM fg_file_object o WHERE o.place = $1 AND o.refs > 0 AND o.key > $2 AND ($3 = '' OR EXISTS (SELECT 1 "
      "FROM generated_files g WHERE g.local_path = o.key AND g.source_type = $3))",
      {place, after, source_type});
}

Stock stock_at(db::Tx& tx, std::string_view place) {
  return *tx.first("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM fg_file_object WHERE place = $1 AND refs > 0", {place},
                   [](const db::Row& row) { return Stock{row.i64(0), static_cast<std::uint64_t>(row.i64(1))}; });
}

}  // namespace fluxgate::files

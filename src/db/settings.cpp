#include "db/settings.h"

namespace fluxgate::db::setting {

boost::json::object parsed(std::string_view value) {
  boost::system::error_code broken;
  auto json = boost::json::parse(value, broken);
  return !broken && json.is_object() ? std::move(json.as_object()) : boost::json::object{};
}

boost::json::object load(Tx& tx, std::string_view key) {
  auto stored = tx.first("SELECT value FROM fg_setting WHERE key = $1", {key}, [](const Row& row) { return parsed(row.text(0)); });
  return stored.value_or(boost::json::object{});
}

bool save(Tx& tx, std::string_view key, boost::json::object value, std::int64_t rev, Millis now) {
  value["rev"] = rev + 1;
  const std::string text = boost::json::serialize(value);
  if (rev == 0)
    return tx.exec("INSERT INTO fg_setting (key, value, updated_at) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING",
                   {key, text, now}) == 1;
  // The row is locked where others write beside us, so that the revision that was compared is the one replaced.
  const auto stored = tx.first(std::string("SELECT value FROM fg_setting WHERE key = $1") + std::string(tx.for_update()),
                               {key}, [](const Row& row) { return row.str(0); });
  if (!stored || number(load(tx, key), "rev", 0) != rev) return false;
  tx.exec("UPDATE fg_setting SET value = $2, updated_at = $3 WHERE key = $1", {key, text, now});
  return true;
}

std::int64_t number(const boost::json::object& object, std::string_view member, std::int64_t fallback) {
  const auto* value = object.if_contains(member);
  return value && value->is_int64() ? value->as_int64() : fallback;
}

bool flag(const boost::json::object& object, std::string_view member, bool fallback) {
  const auto* value = object.if_contains(member);
  return value && value->is_bool() ? value->as_bool() : fallback;
}

std::string_view text(const boost::json::object& object, std::string_view member, std::string_view fallback) {
  const auto* value = object.if_contains(member);
  return value && value->is_string() ? std::string_view(value->as_string()) : fallback;
}

}  // namespace fluxgate::db::setting

#include "identity/settings.h"

#include <atomic>

#include "base/log.h"
#include "db/introspect.h"

namespace fluxgate::identity {
namespace {

struct Stored {
  std::int64_t id = 0;
  std::optional<boost::json::object> data;  // nullopt: cannot be read
};

Stored read_row(const db::Row& row) {
  boost::system::error_code broken;
  auto value = boost::json::parse(row.text(1), broken);
  if (!broken && value.is_object()) return {row.i64(0), std::move(value.as_object())};
  if (!broken && value.is_null()) return {row.i64(0), boost::json::object{}};
  return {row.i64(0), std::nullopt};
}

// Everybody who signs in reads them; one line tells it.
void say_unreadable(std::string_view what) {
  static std::atomic<bool> said = false;
  if (!said.exchange(true)) log::warn("table config: {}, so it counts as not set; `fluxgate db check` says what to do", what);
}

// Readers of the original take the highest id; normally there is one row.
std::optional<Stored> find_row(db::Tx& tx, std::string_view lock) {
  return tx.first(fmt::format("SELECT id, data FROM config ORDER BY id DESC LIMIT 1{}", lock), {}, read_row);
}

// "2026-11-23 22:41:39.123000": how the original writes DATETIME columns.
std::string datetime(Millis now) {
  std::string text = iso8601(now);
  if (const auto t = text.find('T'); t != std::string::npos) text[t] = ' ';
  return text;
}

// Since 2026 Open WebUI keeps one row per setting, its dotted path as the key (spec/seed-db.md §2.1). Asked each time: its
// migration may run while we serve.
bool by_key(db::Tx& tx) { return db::has_column(tx, "config", "key"); }

boost::json::object load_rows(db::Tx& tx) {
  boost::json::object settings;
  tx.each("SELECT key, value FROM config ORDER BY key", {}, [&](const db::Row& row) {
    boost::system::error_code broken;
    auto value = boost::json::parse(row.text(1), broken);
    if (broken) say_unreadable(fmt::format("the value of {} is no JSON", row.text(0)));
    else set_setting(settings, row.text(0), std::move(value));
  });
  return settings;
}

void store_rows(db::Tx& tx, const SettingChanges& changes, Millis now) {
  for (const auto& [path, value] : changes)
    tx.exec(
        "INSERT INTO config (key, value, updated_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        {path, boost::json::serialize(value), now / 1000});
}

}  // namespace

boost::json::object load_settings(db::Tx& tx) {
  if (by_key(tx)) return load_rows(tx);
  auto stored = find_row(tx, "");
  if (!stored) return {};
  if (!stored->data) say_unreadable(fmt::format("the data of the row with id {} is no JSON object", stored->id));
  return std::move(stored->data).value_or(boost::json::object{});
}

const boost::json::value* setting_at(const boost::json::object& settings, std::string_view path) {
  const boost::json::object* level = &settings;
  while (true) {
    const auto dot = path.find('.');
    const auto* value = level->if_contains(path.substr(0, dot));
    if (value == nullptr || value->is_null()) return nullptr;
    if (dot == std::string_view::npos) return value;
    if (!value->is_object()) return nullptr;
    level = &value->as_object();
    path.remove_prefix(dot + 1);
  }
}

void set_setting(boost::json::object& settings, std::string_view path, boost::json::value value) {
  boost::json::object* level = &settings;
  for (auto dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.')) {
    boost::json::value& next = (*level)[path.substr(0, dot)];
    if (!next.is_object()) next.emplace_object();
    level = &next.as_object();
    path.remove_prefix(dot + 1);
  }
  (*level)[path] = std::move(value);
}

void store_settings(db::Tx& tx, const SettingChanges& changes, Millis now) {
  if (changes.empty()) return;
  if (by_key(tx)) return store_rows(tx, changes, now);
  const std::string when = datetime(now);
  const auto begin = [&](std::int64_t id) {
    tx.exec("INSERT INTO config (id, data, version, created_at, updated_at) VALUES ($1, '{}', 0, $2, $2) ON CONFLICT DO NOTHING", {id, when});
  };
  auto stored = find_row(tx, tx.for_update());
  // What cannot be read may still be mended by hand: it is left, and a newer row holds from now on.
  if (!stored || !stored->data) {
    begin(stored ? stored->id + 1 : 1);
    stored = find_row(tx, tx.for_update());
  }
  FLUX_ASSERT(stored.has_value() && stored->data.has_value());
  for (const auto& [path, value] : changes) set_setting(*stored->data, path, value);
  tx.exec("UPDATE config SET data = $1, updated_at = $2 WHERE id = $3",
          {boost::json::serialize(*stored->data), when, stored->id});
}

}  // namespace fluxgate::identity

#include "tasks/result_cache.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/crypto.h"
#include "base/ids.h"
#include "db/settings.h"
#include "tasks/task_row.h"
#include "tasks/task_store.h"

namespace fluxgate::tasks {
namespace {

namespace json = boost::json;

constexpr Millis kDay = 86'400'000;

// One text for one meaning: members in alphabetical order, inputs by their content.
json::value canonical(const json::value& value, const std::map<std::string, std::string>& contents) {
  if (const auto* text = value.if_string()) {
    const auto content = contents.find(std::string(*text));
    return content == contents.end() ? value : json::value("sha256:" + content->second);
  }
  if (const auto* list = value.if_array()) {
    json::array items;
    for (const auto& item : *list) items.push_back(canonical(item, contents));
    return items;
  }
  if (const auto* members = value.if_object()) {
    std::map<std::string, const json::value*> sorted;
    for (const auto& [name, member] : *members)
      if (!member.is_null()) sorted[std::string(name)] = &member;
    json::object object;
    for (const auto& [name, member] : sorted) object[name] = canonical(*member, contents);
    return object;
  }
  return value;
}

// Part of the price, rounded up to a thousandth: never free by rounding.
Credits share_of(Credits price, int percent) {
  return Credits::thousandths((price.in_thousandths() * percent + 99) / 100);
}

}  // namespace

std::string_view name(CacheRules::Mode mode) {
  switch (mode) {
    case CacheRules::Mode::off: return "off";
    case CacheRules::Mode::request: return "request";
    case CacheRules::Mode::always: return "always";
  }
  return "off";
}

std::optional<CacheRules::Mode> cache_mode_named(std::string_view text) {
  for (auto mode : {CacheRules::Mode::off, CacheRules::Mode::request, CacheRules::Mode::always})
    if (name(mode) == text) return mode;
  return std::nullopt;
}

json::object to_json(const CacheRules& rules) {
  return {{"mode", name(rules.mode)},
          {"price_percent", rules.price_percent},
          {"across_users", rules.across_users},
          {"max_age_days", rules.max_age_days},
          {"rev", rules.rev}};
}

CacheRules cache_rules_from(const json::object& stored) {
  CacheRules rules;
  rules.mode = cache_mode_named(db::setting::text(stored, "mode", "")).value_or(rules.mode);
  rules.price_percent = static_cast<int>(db::setting::number(stored, "price_percent", rules.price_percent));
  rules.across_users = db::setting::flag(stored, "across_users", rules.across_users);
  rules.max_age_days = static_cast<int>(db::setting::number(stored, "max_age_days", rules.max_age_days));
  rules.rev = db::setting::number(stored, "rev", 0);
  return rules;
}

CacheRules load_cache_rules(db::Tx& tx) { return cache_rules_from(db::setting::load(tx, kCacheKey)); }

bool save_cache_rules(db::Tx& tx, const CacheRules& rules, Millis now) {
  return db::setting::save(tx, kCacheKey, to_json(rules), rules.rev, now);
}

std::string cache_key(const catalogue::Model& model, std::string_view endpoint, const catalogue::Normalised& normalised,
                      const std::vector<std::string>& hashes) {
  const auto* seed = normalised.params.if_contains("seed");
  if (!seed || seed->is_null() || hashes.size() != normalised.inputs.size()) return "";
  std::map<std::string, std::string> contents;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (hashes[i].empty()) return "";
    contents[normalised.inputs[i]] = hashes[i];
  }
  const json::object what{{"model", model.id()},
                          {"rev", model.rev()},
                          {"endpoint", endpoint},
                          {"params", canonical(normalised.params, contents)}};
  return crypto::sha256_hex(json::serialize(what));
}

std::optional<CacheHit> find_cached(db::Tx& tx, const files::Files& files, const Task& task, const CacheRules& rules,
                                    Millis now) {
  if (task.cache_key.empty()) return std::nullopt;
  static const std::string sql = select_tasks(
      "WHERE cache_key = $1 AND status = 'succeeded' AND (user_id = $2 OR $3 = 1) AND created_at >= $4 "
      "ORDER BY id DESC LIMIT 1");
  const Millis oldest = rules.max_age_days == 0 ? 0 : now - rules.max_age_days * kDay;
  const auto made = tx.first(sql, {task.cache_key, task.user_id, rules.across_users, oldest}, read_task);
  if (!made) return std::nullopt;
  CacheHit hit{made->id, made->result, made->seed, store::files(tx, made->id), {}, {}};
  if (static_cast<int>(hit.files.size()) < made->images) return std::nullopt;  // it was not delivered whole
  for (TaskFile& file : hit.files) {
    auto row = files.find(tx, file.file_id, "");
    if (!row) return std::nullopt;  // deleted since
    row->id = file.file_id = new_id(now);
    row->user_id = task.user_id;
    row->source_task_id = task.id;
    row->created_at = now;
    hit.rows.push_back(std::move(*row));
  }
  hit.price = share_of(task.quote, rules.price_percent);
  return hit;
}

}  // namespace fluxgate::tasks

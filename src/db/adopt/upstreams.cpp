// The providers' configuration: accounts with sealed keys, prices and defaults.
#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "db/adopt/old_tasks.h"
#include "db/adopt/source.h"
#include "db/adopt/work.h"
#include "db/introspect.h"

namespace fluxgate::db::adopt {
namespace {

namespace json = boost::json;
using Keep::flag;
using Keep::number;

constexpr KeptColumn kMidjourney[] = {{"modes", Keep::json}, {"default_mode"}};
constexpr KeptColumn kDreamwork[] = {{"image_to_image_model"}, {"default_size"}, {"default_guidance_scale", number},
                                     {"watermark_enabled", flag}, {"credits_per_generation", number}};
constexpr KeptColumn kKling[] = {{"image_to_video_model"}, {"default_mode"}, {"default_duration"}, {"default_aspect_ratio"},
                                 {"default_cfg_scale", number}, {"credits_per_std_5s", number}, {"credits_per_std_10s", number},
                                 {"credits_per_pro_5s", number}, {"credits_per_pro_10s", number}, {"model_credits_config", Keep::json}};
constexpr KeptColumn kJimeng[] = {{"default_duration"}, {"default_aspect_ratio"}, {"default_cfg_scale", number},
                                  {"credits_per_5s", number}, {"credits_per_10s", number}, {"default_watermark", flag}};
constexpr KeptColumn kLipSync[] = {{"default_voice_id"}, {"default_voice_language"}, {"default_voice_speed", number},
                                   {"credits_cost", number}};

struct OldConfig {
  std::string_view table, provider, base_url;
  std::string_view timeout = "task_timeout";
  int timeout_per_second = 1000;
  std::string_view model = "";
  std::string_view only_id = "";  // other rows were invisible to the fork
  std::span<const KeptColumn> kept = {};
};
constexpr OldConfig kConfigs[] = {
    {.table = "flux_config", .provider = "flux", .base_url = "https://queue.fal.run", .timeout = "timeout", .timeout_per_second = 1,
     .model = "default_model"},
    {.table = "mj_config", .provider = "midjourney", .kept = kMidjourney},
    {.table = "dreamwork_config", .provider = "dreamwork", .model = "text_to_image_model", .kept = kDreamwork},
    {.table = "kling_config", .provider = "kling", .base_url = "https://api.klingai.com", .model = "text_to_video_model",
     .only_id = "1", .kept = kKling},
    {.table = "jimeng_config", .provider = "jimeng", .kept = kJimeng},
    {.table = "kling_lip_sync_config", .provider = "kling_lip_sync", .base_url = "https://api.kling.com", .kept = kLipSync},
};

struct FoundConfig {
  std::string api_key, base_url, model;
  bool enabled = false;
  std::int64_t timeout_s = 300, concurrent = 5;
  Millis created_at = 0;
  json::value prices;   // model_credits
  json::object kept;
  std::int64_t rows = 0;
};

// The row that the fork used; nullopt when there is none.
std::optional<FoundConfig> read_config(Tx& tx, const OldConfig& kind, const std::string& table, Millis now) {
  Source source(tx, table);
  const int id = source.pick("id"), key = source.pick("api_key"), url = source.pick("base_url"), enabled = source.pick("enabled"),
            timeout = source.pick(kind.timeout), concurrent = source.pick("max_concurrent_tasks"), model = source.pick(kind.model),
            prices = source.pick("model_credits"), created = source.pick("created_at");
  std::vector<int> kept;
  for (const KeptColumn& column : kind.kept) kept.push_back(source.pick(column.name));
  std::optional<FoundConfig> found;
  source.each("", [&](const OldRow& row) {
    if (found || (!kind.only_id.empty() && row.text(id) != kind.only_id)) return;
    found.emplace();
    found->api_key = row.text(key);
    found->base_url = link_of(row.text(url));
    if (found->base_url.empty()) found->base_url = kind.base_url;
    while (found->base_url.ends_with('/')) found->base_url.pop_back();
    found->enabled = flag_of(row[enabled]).value_or(false);
    found->timeout_s = std::clamp<std::int64_t>(integer_of(row[timeout]).value_or(300 * kind.timeout_per_second) / kind.timeout_per_second, 5, 3600);
    found->concurrent = std::clamp<std::int64_t>(integer_of(row[concurrent]).value_or(5), 1, 1000);
    found->model = row.text(model);
    found->created_at = time_of(row[created]).value_or(now);
    found->prices = json_of(row[prices]);
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (auto value = kept_value(row[kept[i]], kind.kept[i].as); !value.is_null()) found->kept[kind.kept[i].name] = std::move(value);
  });
  return found;
}

// Credits per image by model, in thousandths. Models that nobody serves are named in `unserved`.
json::object price_table(const json::value& prices, const Options& options, std::vector<std::string>& unserved) {
  json::object table;
  if (!prices.is_object()) return table;
  for (const auto& [model, value] : prices.as_object()) {
    const std::string text = value.is_string() ? std::string(value.as_string()) : value.is_number() ? json::serialize(value) : "";
    const auto price = thousandths_of(text);
    const bool served = options.flux_models.empty() || std::ranges::find(options.flux_models, std::string_view(model)) != options.flux_models.end();
    if (!served || !price || *price < 0) unserved.emplace_back(model);
    else table[model] = *price;
  }
  return table;
}

std::string joined(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += fmt::format("{}{}", list.empty() ? "" : ", ", name);
  return list;
}

Text unserved_text(const std::vector<std::string>& unserved) {
  return {fmt::format("Prices of models that are not served were left out: {}.", joined(unserved)),
          fmt::format("以下模型未提供服务，其价格未接管：{}。", joined(unserved))};
}

Text key_missing_text(std::string_view provider) {
  return {fmt::format("The key of {} is missing or only its mask was saved; enter it again.", provider),
          fmt::format("{} 的密钥缺失，或仅保存了掩码，请重新填写。", provider)};
}

void insert_account(Work& work, const OldConfig& kind, const FoundConfig& config) {
  const std::string id = fmt::format("{}-default", kind.provider);
  const std::string sealed = work.options.sealer->seal(config.api_key);
  work.tx.exec(
      "INSERT INTO fg_upstream_account (id, provider, name, base_url, sealed_key, settings, enabled, weight, max_concurrent, timeout_s, "
      "created_at, updated_at) VALUES ($1, $2, $1, $3, $4, '{}', 1, 1, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
      {id, kind.provider, config.base_url, sealed, config.concurrent, config.timeout_s, config.created_at, work.options.now});
}

void insert_settings(Work& work, const OldConfig& kind, const FoundConfig& config) {
  std::vector<std::string> unserved;
  json::object settings{{"enabled", config.enabled}, {"default_model", config.model},
                        {"model_credits", price_table(config.prices, work.options, unserved)}, {"rev", 1},
                        {"created_at", config.created_at}};
  if (!config.kept.empty()) settings["adopted"] = config.kept;
  const std::string key = fmt::format("provider.{}", kind.provider), value = json::serialize(settings);
  work.tx.exec("INSERT INTO fg_setting (key, value, updated_at) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING",
               {key, value, work.options.now});
  if (!unserved.empty()) work.say(kind.table, unserved_text(unserved), Level::warning);
}

void config_over(Work& work, const OldConfig& kind, const std::string& legacy) {
  const std::int64_t rows = Source(work.tx, legacy).rows();
  const auto config = read_config(work.tx, kind, legacy, work.options.now);
  if (config) {
    if (!is_missing_secret(config->api_key)) {
      insert_account(work, kind, *config);
      if (kind.provider == "flux") work.flux_key = true;
    } else if (config->enabled) {
      work.say(kind.table, key_missing_text(kind.provider), Level::warning);
    }
    insert_settings(work, kind, *config);
  }
  if (Source(work.tx, legacy).has("api_key"))
    work.tx.exec(fmt::format("UPDATE {} SET api_key = '' WHERE api_key IS NOT NULL", quoted_name(legacy)));
  mark_done(work, legacy, rows, config ? 1 : 0);
  work.say(legacy, {fmt::format("The configuration of {} was taken over; clear keys in the old table are blanked.", kind.provider),
                    fmt::format("{} 的配置已接管，旧表中的明文密钥已清空。", kind.provider)}, Level::info, rows, config ? 1 : 0);
}

}  // namespace

void upstreams_over(Work& work) {
  for (const OldConfig& kind : kConfigs)
    for (const std::string& legacy : waiting(work.tx, kind.table)) config_over(work, kind, legacy);
}

void plan_upstreams(Tx& tx, const Options& options, Lines& lines) {
  for (const OldConfig& kind : kConfigs)
    for (const std::string& table : still_here(tx, kind.table)) {
      const auto config = read_config(tx, kind, table, options.now);
      if (!config) continue;
      const bool no_key = is_missing_secret(config->api_key);
      lines.push_back({table, {fmt::format("The configuration of {} is taken over{}.", kind.provider, no_key ? "" : "; its key is sealed"),
                               fmt::format("将接管 {} 的配置{}。", kind.provider, no_key ? "" : "，密钥加密保存")}, Level::info, 1, 1});
      if (no_key && config->enabled)
        lines.push_back({table, key_missing_text(kind.provider), Level::warning});
      std::vector<std::string> unserved;
      static_cast<void>(price_table(config->prices, options, unserved));
      if (!unserved.empty()) lines.push_back({table, unserved_text(unserved), Level::warning});
    }
}

}  // namespace fluxgate::db::adopt

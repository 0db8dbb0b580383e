#include "api/flux_config.h"

#include "api/context.h"
#include "net/url.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kKeyLength = 4096;
constexpr std::size_t kUrlLength = 2048;
constexpr int kTimeoutMin = 5, kTimeoutMax = 3600;  // seconds
constexpr int kConcurrentMax = 1000;
constexpr int kDefaultTimeout = 300, kDefaultConcurrent = 5;
constexpr std::size_t kPricesMax = 1000;
const Credits kPriceMax = Credits::whole(1'000'000);

// In the original's price table, though no endpoint ever served them.
constexpr std::string_view kUnservedModels[] = {"fal-ai/flux-pro", "fal-ai/flux-pro/max"};

struct Names {
  std::string_view api_key, base_url, enabled, timeout, max_concurrent, default_model, model_credits;
  int ticks_per_second;
};
constexpr Names kSnake{"api_key",       "base_url",      "enabled", "timeout", "max_concurrent_tasks",
                       "default_model", "model_credits", 1};
constexpr Names kCamel{"apiKey",       "baseUrl",      "enabled", "taskTimeout", "maxConcurrentTasks",
                       "defaultModel", "modelCredits", 1000};

const Names& names_of(ConfigShape shape) { return shape == ConfigShape::snake ? kSnake : kCamel; }

bool is_unserved(std::string_view id) {
  return std::ranges::find(kUnservedModels, id) != std::end(kUnservedModels);
}

std::vector<std::string> flux_models(const catalogue::Catalogue& catalogue) {
  std::vector<std::string> ids;
  for (const catalogue::Model* model : catalogue.models("flux")) ids.push_back(model->id());
  return ids;
}

void refuse_model(Members& form, std::string_view member, const std::string& id,
                  const std::vector<std::string>& known) {
  const std::string close = nearest(id, known);
  json::object context{{"received", id.substr(0, 100)}};
  if (!close.empty()) context["nearest"] = close;
  const std::string shown = id.substr(0, 100);
  form.refuse(member, "model_unknown",
              close.empty()
                  ? Text{fmt::format("There is no model {}.", shown), fmt::format("没有模型 {}。", shown)}
                  : Text{fmt::format("There is no model {}; did you mean {}?", shown, close),
                         fmt::format("没有模型 {},是否想写 {}?", shown, close)},
              std::move(context));
}

std::optional<Credits> read_price(const json::value& value) {
  std::optional<Credits> price;
  if (value.is_string()) price = Credits::parse(value.as_string());
  if (value.is_number()) price = Credits::parse(fmt::format("{}", value.to_number<double>()));
  if (price && *price >= Credits{} && *price <= kPriceMax) return price;
  return std::nullopt;
}

std::optional<std::map<std::string, Credits>> read_prices(Members& form, std::string_view member,
                                                          const std::vector<std::string>& known) {
  const json::object* table = form.maybe_object(member);
  if (table == nullptr) return std::nullopt;
  if (table->size() > kPricesMax) {
    form.refuse(member, "too_long", {"That is more prices than there are models.", "价格条目过多。"});
    return std::nullopt;
  }
  std::map<std::string, Credits> prices;
  for (const auto& [id, value] : *table) {
    if (is_unserved(id)) continue;
    const std::string model(id);
    if (std::ranges::find(known, model) == known.end()) {
      refuse_model(form, member, model, known);
      continue;
    }
    const auto price = read_price(value);
    if (price)
      prices[model] = *price;
    else
      form.refuse(
          member, "decimal",
          {fmt::format(
               "The price of {} must be a number of credits from 0 to {} with at most three decimals.", model,
               kPriceMax.to_string()),
           fmt::format("{} 的价格应为 0 到 {} 之间、最多三位小数的积分数。", model, kPriceMax.to_string())},
          {{"model", model}});
  }
  return prices;
}

void read_key(Members& form, std::string_view member, ConfigForm& read, ConfigShape shape) {
  // The original demands it in one shape only.
  const auto key = shape == ConfigShape::snake ? form.text(member, {0, kKeyLength})
                                               : form.maybe_text(member, {0, kKeyLength}).value_or("");
  if (std::ranges::any_of(key, [](char c) { return c < 0x21 || c > 0x7e; })) {
    form.refuse(member, "string_pattern",
                {"A key has printable ASCII characters without spaces.",
                 "密钥只能包含不带空格的可打印 ASCII 字符。"});
    return;
  }
  if (!key.empty()) read.api_key = key;
}

}  // namespace

std::optional<std::string> clean_base_url(std::string_view url) {
  std::string plain(url);
  while (plain.ends_with('/')) plain.pop_back();
  const auto parsed = net::parse_url(plain);
  if (!parsed || parsed->has_userinfo || plain.find_first_of("?# ") != std::string::npos) return std::nullopt;
  return plain;
}

Result<ConfigForm> read_config_form(const json::object& body, ConfigShape shape,
                                    const catalogue::Catalogue& catalogue) {
  const Names& names = names_of(shape);
  const std::vector<std::string> known = flux_models(catalogue);
  Members form(body);
  ConfigForm read;
  read_key(form, names.api_key, read, shape);
  if (const auto url = form.maybe_text(names.base_url, {0, kUrlLength})) {
    read.base_url = clean_base_url(*url);
    if (!read.base_url)
      form.refuse(names.base_url, "url",
                  {"Expected an http(s) URL without user, query or fragment.",
                   "应为不含用户信息、查询和片段的 http(s) 地址。"},
                  {{"received", url->substr(0, 100)}});
  }
  read.enabled = form.maybe_flag(names.enabled);
  const int ticks = names.ticks_per_second;
  if (const auto timeout = form.maybe_integer(names.timeout, kTimeoutMin * ticks, kTimeoutMax * ticks))
    read.timeout_s = static_cast<int>(*timeout / ticks);
  if (const auto tasks = form.maybe_integer(names.max_concurrent, 1, kConcurrentMax))
    read.max_concurrent = static_cast<int>(*tasks);
  if (const auto model = form.maybe_text(names.default_model, {0, 200}); model && !model->empty()) {
    if (std::ranges::find(known, *model) == known.end())
      refuse_model(form, names.default_model, *model, known);
    read.default_model = *model;
  }
  read.model_credits = read_prices(form, names.model_credits, known);
  // What our own GET answers and nobody sets.
  for (std::string_view shown :
       {"id", "created_at", "updated_at", "source", "sandbox", "creditsPerGeneration"})
    form.ignore(shown);
  FLUX_CHECK(form.check());
  return read;
}

std::string mask_key(std::string_view key) {
  constexpr std::size_t kShown = 8;
  if (key.empty()) return "";
  if (key.size() < 2 * kShown) return "****";
  return fmt::format("{}****", key.substr(0, kShown));
}

Result<std::string> meant_key(const std::string& posted, std::string_view base_url, const FluxConfig& stored,
                              std::string_view member) {
  const bool keeps = posted.empty() || (stored.account && posted == mask_key(stored.account->account.key));
  const std::string name(member);
  if (!keeps && posted.ends_with("****"))
    return refuse_field("body", name, "masked_key",
                        {"This is a mask, and not that of the stored key. Enter the key.",
                         "这是掩码,且与已保存的密钥不符,请填写密钥。"});
  if (!keeps) return posted;
  if (!stored.account || stored.account->account.key.empty()) return std::string();
  if (stored.account->account.base_url != base_url)
    return refuse_field("body", name, "key_needed",
                        {"The stored key is not sent to another base URL. Enter the key for this one.",
                         "已保存的密钥不会发送到其他地址,请填写该地址的密钥。"});
  return stored.account->account.key;
}

Result<FluxConfig> apply_form(const ConfigForm& form, const FluxConfig& stored, ConfigShape shape,
                              const std::map<std::string, Credits>& prices) {
  const Names& names = names_of(shape);
  FluxConfig next = stored;
  if (!next.account) {
    next.account.emplace();
    next.account->account.base_url = kFluxBaseUrl;
    next.account->timeout_s = kDefaultTimeout;
    next.account->max_concurrent = kDefaultConcurrent;
  }
  tasks::UpstreamAccount& account = *next.account;
  const std::string base_url = form.base_url.value_or(account.account.base_url);
  FLUX_TRY(key, meant_key(form.api_key.value_or(""), base_url, stored, names.api_key));
  account.account.id = tasks::AccountStore::edited_id("flux");
  account.account.provider = "flux";
  account.account.base_url = base_url;
  account.account.key = key;
  account.enabled = true;
  account.timeout_s = form.timeout_s.value_or(account.timeout_s);
  account.max_concurrent = form.max_concurrent.value_or(account.max_concurrent);

  if (!next.settings) {
    next.settings.emplace();
    // As in the original: one shape switches on what it first saves, the other does not.
    next.settings->enabled = shape == ConfigShape::snake || stored.account.has_value();
  }
  tasks::ProviderSettings& settings = *next.settings;
  settings.enabled = form.enabled.value_or(settings.enabled);
  if (form.default_model) settings.default_model = *form.default_model;
  if (form.model_credits)
    for (const auto& [model, price] : *form.model_credits)
      if (const auto now = prices.find(model); now == prices.end() || now->second != price)
        settings.model_credits[model] = price;
  if (settings.enabled && key.empty())
    return refuse_field("body", std::string(names.api_key), "missing",
                        {"The provider cannot be on without a key.", "没有密钥时无法启用该服务商。"});
  return next;
}

std::map<std::string, Credits> prices_in_force(const catalogue::Catalogue& catalogue) {
  std::map<std::string, Credits> prices;
  for (const catalogue::Model* model : catalogue.models("flux")) {
    const json::object descriptor = model->descriptor();
    prices[model->id()] = Credits::parse(descriptor.at("price").at("base").as_string()).value_or(Credits{});
  }
  return prices;
}

json::object model_credits_json(const std::map<std::string, Credits>& prices) {
  json::object table;
  for (const auto& [model, price] : prices) {
    if (price.in_thousandths() % 1000 == 0)
      table[model] = price.in_thousandths() / 1000;
    else
      table[model] = price.as_number();
  }
  return table;
}

json::object show_config(const FluxConfig& config, ConfigShape shape,
                         const std::map<std::string, Credits>& prices) {
  const Names& names = names_of(shape);
  tasks::UpstreamAccount account;
  account.account.base_url = kFluxBaseUrl;
  if (config.account) account = *config.account;
  const bool by_environment =
      config.account && config.account->account.id != tasks::AccountStore::edited_id("flux");
  const tasks::ProviderSettings settings = config.settings.value_or(tasks::ProviderSettings{});
  const bool enabled = config.settings ? settings.enabled : by_environment;
  json::object body{{names.api_key, mask_key(account.account.key)},
                    {names.base_url, account.account.base_url},
                    {names.enabled, enabled},
                    {names.timeout, account.timeout_s * names.ticks_per_second},
                    {names.max_concurrent, account.max_concurrent},
                    {names.default_model, settings.default_model.empty() ? std::string(kFluxDefaultModel)
                                                                         : settings.default_model},
                    {names.model_credits, model_credits_json(prices)},
                    {"source", !config.account  ? "none"
                               : by_environment ? "environment"
                                                : "database"}};
  if (shape == ConfigShape::camel) body["creditsPerGeneration"] = 5;
  if (shape == ConfigShape::snake && config.settings) {
    body["id"] = account.account.id;
    body["created_at"] = iso8601(settings.created_at);
    body["updated_at"] = iso8601(settings.updated_at);
  }
  return body;
}

}  // namespace fluxgate::api

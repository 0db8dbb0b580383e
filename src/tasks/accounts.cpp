#include "tasks/accounts.h"

#include <algorithm>

#include <fmt/format.h>

#include "notify/alerts.h"

namespace fluxgate::tasks {
namespace {

boost::json::object parse_object(std::string_view text) {
  boost::system::error_code error;
  auto value = boost::json::parse(text, error);
  return !error && value.is_object() ? std::move(value.as_object()) : boost::json::object{};
}

std::string settings_key(std::string_view provider) { return fmt::format("provider.{}", provider); }

constexpr std::string_view kColumns =
    "id, provider, base_url, sealed_key, settings, enabled, weight, max_concurrent, timeout_s, out_since, out_reason, rev, name";

}  // namespace

std::vector<UpstreamAccount> AccountStore::accounts(db::Tx& tx, std::string_view provider) const {
  if (sandbox_) {
    UpstreamAccount account = *sandbox_;
    account.account.provider = provider;
    return {account};
  }
  auto list = stored(tx, provider);
  if (list.empty() && default_ && default_->account.provider == provider) list.push_back(*default_);
  return list;
}

UpstreamAccount AccountStore::read(const db::Row& row) const {
  UpstreamAccount account;
  account.account.id = row.str(0);
  account.account.provider = row.str(1);
  account.account.base_url = row.str(2);
  if (!row.text(3).empty()) {
    auto key = sealer_.open(row.text(3));
    if (!key) throw db::Failure(key.error().message().en);
    account.account.key = *key;
  }
  account.account.settings = parse_object(row.text(4));
  account.enabled = row.flag(5);
  account.weight = static_cast<int>(row.i64(6));
  account.max_concurrent = static_cast<int>(row.i64(7));
  account.timeout_s = static_cast<int>(row.i64(8));
  account.out_since = row.maybe_i64(9);
  account.out_reason = row.str(10);
  account.rev = row.i64(11);
  account.name = row.str(12);
  return account;
}

std::vector<UpstreamAccount> AccountStore::stored(db::Tx& tx, std::string_view provider) const {
  static const std::string sql =
      fmt::format("SELECT {} FROM fg_upstream_account WHERE $1 = '' OR provider = $1 ORDER BY id", kColumns);
  return tx.all(sql, {provider}, [this](const db::Row& row) { return read(row); });
}

std::vector<UpstreamAccount> AccountStore::all(db::Tx& tx) const {
  auto list = stored(tx, "");
  if (default_ && std::ranges::none_of(list, [&](const auto& a) { return a.account.provider == default_->account.provider; }))
    list.push_back(*default_);
  return list;
}

std::optional<UpstreamAccount> AccountStore::find(db::Tx& tx, std::string_view id) const {
  for (UpstreamAccount& account : all(tx))
    if (account.account.id == id) return std::move(account);
  return std::nullopt;
}

std::optional<UpstreamAccount> AccountStore::find_stored(db::Tx& tx, std::string_view id) const {
  return tx.first(fmt::format("SELECT {} FROM fg_upstream_account WHERE id = $1{}", kColumns, tx.for_update()), {id},
                  [this](const db::Row& row) { return read(row); });
}

std::int64_t AccountStore::at_work(db::Tx& tx, std::string_view id) const {
  return tx.number("SELECT COUNT(*) FROM fg_task WHERE account_id = $1 AND owner IS NOT NULL", {id});
}

Result<bool> AccountStore::remove(db::Tx& tx, std::string_view id, Millis now) const {
  const auto busy = at_work(tx, id);
  if (busy != 0)
    return fail(Error(Errc::conflict, "account_busy",
                      {fmt::format("{} tasks are at work on this account. Switch it off and delete it when they have ended.", busy),
                       fmt::format("该账户上有 {} 个任务正在执行，请先停用，待其结束后再删除。", busy)})
                    .with("at_work", busy));
  for (const char* kind : {"account_out", "account_resting"}) notify::resolve(tx, kind, id, now);
  return tx.exec("DELETE FROM fg_upstream_account WHERE id = $1", {id}) == 1;
}

std::optional<UpstreamAccount> AccountStore::configured(db::Tx& tx, std::string_view provider) const {
  for (UpstreamAccount& account : stored(tx, provider))
    if (account.account.id == edited_id(provider)) return std::move(account);
  if (default_ && default_->account.provider == provider) return default_;
  return std::nullopt;
}

void AccountStore::save(db::Tx& tx, const UpstreamAccount& account, Millis now) const {
  std::string sealed = account.account.key.empty() ? "" : sealer_.seal(account.account.key);
  std::string settings = boost::json::serialize(account.account.settings);
  tx.exec(
      "INSERT INTO fg_upstream_account (id, provider, name, base_url, sealed_key, settings, enabled, weight, "
      "max_concurrent, timeout_s, created_at, updated_at) VALUES ($1, $2, $11, $3, $4, $5, $6, $7, $8, $9, $10, $10) "
      "ON CONFLICT (id) DO UPDATE SET name = $11, base_url = $3, sealed_key = COALESCE($4, fg_upstream_account.sealed_key), "
      "settings = $5, enabled = $6, weight = $7, max_concurrent = $8, timeout_s = $9, updated_at = $10, "
      "out_since = NULL, out_reason = NULL, rev = fg_upstream_account.rev + 1",
      {account.account.id, account.account.provider, account.account.base_url,
       sealed.empty() ? db::Param(nullptr) : db::Param(sealed), settings, account.enabled, account.weight,
       account.max_concurrent, account.timeout_s, now, account.name.empty() ? account.account.id : account.name});
  for (const char* kind : {"account_out", "account_resting"}) notify::resolve(tx, kind, account.account.id, now);
}

void AccountStore::take_out(db::Tx& tx, std::string_view account_id, std::string_view reason, std::string_view alert_id,
                            Millis now) const {
  tx.exec("UPDATE fg_upstream_account SET out_since = $1, out_reason = $2, rev = rev + 1 WHERE id = $3 AND out_since IS NULL",
          {now, reason, account_id});
  const auto stored = tx.first("SELECT name FROM fg_upstream_account WHERE id = $1", {account_id}, [](const db::Row& row) { return row.str(0); });
  const std::string name = stored.value_or(std::string(account_id));
  const Text remedy = stored ? Text{"Nothing is sent to it until its key is saved again.", "重新保存密钥之前不会再使用该账户。"}
                             : Text{"Its key comes from the environment of the server.", "其密钥来自服务器的环境变量。"};
  notify::raise(tx, alert_id, "account_out", account_id,
                {fmt::format("The provider refuses account {}: {} {}", name, reason, remedy.en),
                 fmt::format("服务商拒绝账户 {}：{} {}", name, reason, remedy.zh)}, now);
}

std::optional<std::string> AccountStore::unreadable_key(db::Tx& tx) const {
  std::optional<std::string> finding;
  tx.each("SELECT id, sealed_key FROM fg_upstream_account WHERE sealed_key IS NOT NULL", {}, [&](const db::Row& row) {
    if (!finding && !sealer_.open(row.text(1)))
      finding = fmt::format(
          "the key of upstream account \"{}\" was sealed with another master key. Restore FLUXGATE_MASTER_KEY or "
          "DATA_DIR/master.key, or delete the row from fg_upstream_account and save the key again.",
          row.text(0));
  });
  return finding;
}

std::optional<ProviderSettings> AccountStore::settings(db::Tx& tx, std::string_view provider) const {
  return tx.first("SELECT value, updated_at FROM fg_setting WHERE key = $1", {settings_key(provider)}, [](const db::Row& row) {
    ProviderSettings settings;
    auto value = parse_object(row.text(0));
    auto* enabled = value.if_contains("enabled");
    settings.enabled = enabled && enabled->is_bool() && enabled->as_bool();
    if (auto* model = value.if_contains("default_model"); model && model->is_string())
      settings.default_model = model->as_string();
    if (auto* prices = value.if_contains("model_credits"); prices && prices->is_object())
      for (auto& [model, price] : prices->as_object())
        if (price.is_int64()) settings.model_credits[std::string(model)] = Credits::thousandths(price.as_int64());
    if (auto* rev = value.if_contains("rev"); rev && rev->is_int64()) settings.rev = rev->as_int64();
    if (auto* at = value.if_contains("created_at"); at && at->is_int64()) settings.created_at = at->as_int64();
    settings.updated_at = row.i64(1);
    return settings;
  });
}

Result<void> AccountStore::usable(db::Tx& tx, std::string_view provider) const {
  if (sandbox_) return {};
  auto current = settings(tx, provider);
  auto off = [](std::string code, Text why) { return fail(Errc::unavailable, std::move(code), std::move(why)); };
  bool by_environment = default_ && default_->account.provider == provider;
  if (!current && !by_environment)
    return off("provider_not_configured", {"This provider is not configured yet. An administrator enters a key first.",
                                           "该服务商尚未配置，请管理员先填写密钥。"});
  if (current && !current->enabled)
    return off("provider_disabled", {"This provider is switched off by an administrator.", "该服务商已被管理员停用。"});
  std::string out_reason;
  for (const auto& account : accounts(tx, provider)) {
    if (account.enabled && !account.out_since) return {};
    if (account.out_since) out_reason = account.out_reason;
  }
  if (!out_reason.empty())
    return off("provider_out", {"This provider refuses our account: " + out_reason, "服务商拒绝了我们的账户：" + out_reason});
  return off("provider_not_configured", {"This provider has no account in use. An administrator enters a key first.",
                                         "该服务商没有可用账户，请管理员先填写密钥。"});
}

void AccountStore::save_settings(db::Tx& tx, std::string_view provider, const ProviderSettings& settings, Millis now) const {
  boost::json::object prices;
  for (auto& [model, price] : settings.model_credits) prices[model] = price.in_thousandths();
  boost::json::object value{{"enabled", settings.enabled},
                            {"default_model", settings.default_model},
                            {"model_credits", std::move(prices)},
                            {"rev", settings.rev + 1},
                            {"created_at", settings.created_at == 0 ? now : settings.created_at}};
  std::string text = boost::json::serialize(value);
  tx.exec(
      "INSERT INTO fg_setting (key, value, updated_at) VALUES ($1, $2, $3) "
      "ON CONFLICT (key) DO UPDATE SET value = $2, updated_at = $3",
      {settings_key(provider), text, now});
}

}  // namespace fluxgate::tasks

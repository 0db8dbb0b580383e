#include "api/account_routes.h"

#include "api/flux_config.h"
#include "base/ids.h"
#include "db/turns.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using identity::Role;
using tasks::UpstreamAccount;

constexpr std::string_view kProvider = "flux";
constexpr std::string_view kPath = "/api/v1/admin/upstream-accounts";
constexpr std::size_t kNameMax = 100, kUrlMax = 2'048, kKeyMax = 4'096;  // bytes
constexpr std::int64_t kWeightMax = 100, kConcurrentMax = 10'000, kTimeoutMax = 3'600;
constexpr std::int64_t kRevMax = 1ll << 53;
constexpr std::size_t kAccountsMax = 1'000;
constexpr int kProbeTimeout = 10;  // seconds

Error account_not_found() {
  return Error(Errc::not_found, "account_not_found", {"There is no such account.", "没有此账户。"});
}

Error changed_meanwhile() {
  return Error(Errc::conflict, "changed_meanwhile",
               {"Somebody saved this account meanwhile; read it again.", "该账户已被他人修改,请重新读取。"});
}

std::string_view state_of(const UpstreamAccount& account, const tasks::Breaker& breaker, Millis now) {
  if (!account.enabled) return "disabled";
  if (account.out_since) return "out";
  return name(breaker.state(now));
}

json::object health_json(const Api& api, const UpstreamAccount& account, std::int64_t at_work) {
  const tasks::Breaker breaker = api.parts.health.of(account.account.id);
  const Millis since = account.out_since.value_or(breaker.since());
  json::value reason = nullptr;
  if (account.out_since) reason = account.out_reason;
  return {{"state", state_of(account, breaker, api.parts.clock.now_ms())},
          {"since", since == 0 ? json::value(nullptr) : json::value(iso8601(since))},
          {"reason", std::move(reason)},
          {"at_work", at_work},
          {"submits_taken", breaker.successes()},
          {"submits_failed", breaker.failures()}};
}

json::object account_json(const Api& api, const UpstreamAccount& account, std::int64_t at_work) {
  const bool by_environment = account.account.id == "environment";
  return {{"id", account.account.id},
          {"provider", account.account.provider},
          {"name", account.name.empty() ? account.account.id : account.name},
          {"base_url", account.account.base_url},
          {"key", mask_key(account.account.key)},
          {"enabled", account.enabled},
          {"weight", account.weight},
          {"max_concurrent", account.max_concurrent},
          {"timeout", account.timeout_s},
          {"settings", account.account.settings},
          {"source", by_environment ? "environment" : "database"},
          {"health", health_json(api, account, at_work)},
          {"rev", account.rev}};
}

// ---- reading what an admin wrote ----

std::string read_key(Members& form) {
  std::string key = form.maybe_text("key", {.max = kKeyMax}).value_or("");
  if (std::ranges::any_of(key, [](char c) { return c < 0x21 || c > 0x7e; }))
    form.refuse("key", "string_pattern",
                {"A key has printable ASCII characters without spaces.", "密钥只能包含不带空格的可打印 ASCII 字符。"});
  if (key.ends_with("****")) key.clear();  // the mask of our own answer: the stored key stays
  return key;
}

// Over `account`, so that what is absent stays as it was.
Result<UpstreamAccount> read_account(const json::object& body, UpstreamAccount account) {
  Members form(body);
  const std::string provider = form.maybe_text("provider").value_or(std::string(kProvider));
  if (provider != kProvider) form.refuse("provider", "enum", {"Expected flux.", "应为 flux。"});
  account.account.provider = provider;
  account.name = form.maybe_text("name", {.min = 1, .max = kNameMax}).value_or(account.name);
  const std::string key = read_key(form);
  if (const auto url = form.maybe_text("base_url", {.max = kUrlMax})) {
    const auto clean = clean_base_url(*url);
    if (!clean)
      form.refuse("base_url", "url",
                  {"Expected an http(s) URL without user, query or fragment.", "应为不含用户信息、查询和片段的 http(s) 地址。"},
                  {{"received", url->substr(0, 100)}});
    // A stored key belongs to the place it was entered for.
    const bool moved = clean && *clean != account.account.base_url;
    if (moved && key.empty() && !account.account.key.empty())
      form.refuse("key", "key_needed",
                  {"The stored key is not sent to another base URL. Enter the key for this one.",
                   "已保存的密钥不会发送到其他地址,请填写该地址的密钥。"});
    account.account.base_url = clean.value_or("");
  }
  if (!key.empty()) account.account.key = key;
  if (account.account.key.empty()) form.refuse("key", "missing", {"A key is needed.", "缺少密钥。"});
  if (account.account.base_url.empty()) account.account.base_url = kFluxBaseUrl;
  account.enabled = form.maybe_flag("enabled").value_or(account.enabled);
  account.weight = static_cast<int>(form.maybe_integer("weight", 1, kWeightMax).value_or(account.weight));
  account.max_concurrent =
      static_cast<int>(form.maybe_integer("max_concurrent", 1, kConcurrentMax).value_or(account.max_concurrent));
  account.timeout_s = static_cast<int>(form.maybe_integer("timeout", 1, kTimeoutMax).value_or(account.timeout_s));
  if (const auto* settings = form.maybe_object("settings")) account.account.settings = *settings;
  for (std::string_view shown : {"id", "source", "health", "rev"}) form.ignore(shown);
  FLUX_CHECK(form.check());
  return account;
}

Result<std::int64_t> read_rev(const json::object& body) {
  const auto* rev = body.if_contains("rev");
  if (rev != nullptr && rev->is_int64() && rev->as_int64() >= 1 && rev->as_int64() <= kRevMax) return rev->as_int64();
  return refuse_field("body", "rev", "int_type", {"Expected the rev that was read.", "应为读取时的 rev。"},
                      rev == nullptr ? json::value(nullptr) : *rev);
}

struct Known {
  UpstreamAccount account;
  std::int64_t at_work = 0;
};

awaitable<Result<Known>> find(const Api& api, std::string id) {
  auto known = co_await api.parts.database.read([&accounts = api.parts.accounts, id](db::Tx& tx) -> Result<Known> {
    auto account = accounts.find(tx, id);
    if (!account) return fail(account_not_found());
    return Known{std::move(*account), accounts.at_work(tx, id)};
  });
  co_return known;
}

void tell_engine(const Api& api, const std::string& id) {
  api.parts.health.forget(id);
  api.parts.engine.accounts_changed();
  api.flux->forget();
}

// ---- the endpoints ----

Answer list(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  const auto known = co_await api.parts.database.read([&accounts = api.parts.accounts](db::Tx& tx) {
    std::vector<Known> all;
    for (UpstreamAccount& account : accounts.all(tx)) {
      const auto busy = accounts.at_work(tx, account.account.id);
      all.push_back({std::move(account), busy});
    }
    return all;
  });
  json::array data;
  for (const Known& one : known) data.push_back(account_json(api, one.account, one.at_work));
  co_return private_json({{"data", std::move(data)}, {"sandbox", api.parts.info.sandbox}});
}

Answer show(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto found = co_await find(api, std::string(request.param("id")));
  FLUX_CO_TRY(known, std::move(found));
  co_return private_json(account_json(api, known.account, known.at_work));
}

Answer create(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  FLUX_CO_TRY(account, read_account(body, {}));
  const Millis now = api.parts.clock.now_ms();
  account.account.id = new_id(now);
  if (account.name.empty()) account.name = fmt::format("{} {}", account.account.provider, account.account.id.substr(24));
  auto saved = co_await api.parts.database.write(
      [&accounts = api.parts.accounts, account, now](db::Tx& tx) -> Result<void> {
        db::take_turns(tx, "upstream accounts");  // they are counted
        if (accounts.all(tx).size() >= kAccountsMax)
          return fail(Error(Errc::conflict, "too_many_accounts", {"That is more accounts than can be kept.", "账户数量已达上限。"})
                          .with("limit", kAccountsMax));
        accounts.save(tx, account, now);
        // Whoever enters a key means to use it.
        auto settings = accounts.settings(tx, account.account.provider);
        if (!settings) accounts.save_settings(tx, account.account.provider, {.enabled = true}, now);
        return {};
      });
  FLUX_CO_CHECK(std::move(saved));
  tell_engine(api, account.account.id);
  co_return private_json(account_json(api, account, 0), 201).with("Location", fmt::format("{}/{}", kPath, account.account.id));
}

Answer change(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto read = co_await read_json(request);
  FLUX_CO_TRY(body, std::move(read));
  FLUX_CO_TRY(rev, read_rev(body));
  const std::string id(request.param("id"));
  auto saved = co_await api.parts.database.write(
      [&accounts = api.parts.accounts, id, body, rev, now = api.parts.clock.now_ms()](db::Tx& tx) -> Result<void> {
        auto stored = accounts.find_stored(tx, id);
        if (!stored) return fail(account_not_found());
        if (stored->rev != rev) return fail(changed_meanwhile());
        FLUX_TRY(next, read_account(body, std::move(*stored)));
        accounts.save(tx, next, now);
        return {};
      });
  FLUX_CO_CHECK(std::move(saved));
  tell_engine(api, id);
  auto found = co_await find(api, id);
  FLUX_CO_TRY(known, std::move(found));
  co_return private_json(account_json(api, known.account, known.at_work));
}

Answer remove(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  const std::string id(request.param("id"));
  auto removed = co_await api.parts.database.write(
      [&accounts = api.parts.accounts, id, now = api.parts.clock.now_ms()](db::Tx& tx) { return accounts.remove(tx, id, now); });
  FLUX_CO_TRY(was_there, std::move(removed));
  if (!was_there) co_return fail(account_not_found());
  tell_engine(api, id);
  co_return http::Response::no_content();
}

// Asks the provider whether it takes the key; costs nothing.
Answer test(const Api& api, http::Request& request) {
  auto admitted = co_await api.guard(request, Role::admin);
  FLUX_CO_TRY(principal, std::move(admitted));
  auto found = co_await find(api, std::string(request.param("id")));
  FLUX_CO_TRY(known, std::move(found));
  known.account.timeout_s = kProbeTimeout;
  if (api.parts.info.sandbox)
    co_return private_json({{"success", true},
                            {"message", Text{"The sandbox answers; no provider was contacted.", "沙盒已响应,未联系任何服务商。"}.in(
                                            request.language())}});
  auto probed = co_await boost::asio::co_spawn(api.parts.engine.executor(), api.parts.engine.probe(std::move(known.account)),
                                               use_awaitable);
  const Text words = probed ? Text{"The provider answers and takes the key.", "服务商已响应并接受密钥。"} : probed.error().message();
  co_return private_json({{"success", probed.has_value()}, {"message", words.in(request.language())}});
}

}  // namespace

void add_account_routes(http::Router& router, const ApiPtr& api) {
  const std::string one = fmt::format("{}/{{id}}", kPath);
  router.get(std::string(kPath), bind(api, list));
  router.post(std::string(kPath), bind(api, create));
  router.get(one, bind(api, show));
  router.put(one, bind(api, change));
  router.del(one, bind(api, remove));
  router.post(one + "/test", bind(api, test));
}

}  // namespace fluxgate::api

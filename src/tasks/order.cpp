#include "tasks/order.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/ids.h"
#include "base/json_text.h"
#include "db/post.h"
#include "db/settings.h"
#include "files/rows.h"
#include "files/rules.h"
#include "stats/usage.h"
#include "tasks/task_store.h"

namespace fluxgate::tasks {
namespace {

FieldError field(std::string name, std::string type, Text message, boost::json::value input) {
  FieldError error;
  error.loc = {std::string("body"), std::move(name)};
  error.type = std::move(type);
  error.message = std::move(message);
  error.input = std::move(input);
  return error;
}

Result<std::string> take_model(boost::json::object& body) {
  auto* model = body.if_contains("model");
  if (!model || model->is_null())
    return fail(Error::invalid(field("model", "missing", {"model is required.", "缺少 model。"}, nullptr)));
  if (!model->is_string())
    return fail(Error::invalid(field("model", "string_type", {"model must be text.", "model 必须是文本。"}, *model)));
  std::string id(model->as_string());
  body.erase("model");
  return id;
}

std::string text_member(const boost::json::object& object, std::string_view name) {
  auto* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->as_string()) : "";
}

// Puts the kept form of each input where the given one stood.
void replace_inputs(boost::json::object& params, const std::vector<std::string>& given, const std::vector<std::string>& kept) {
  auto replace = [&](boost::json::value& value) {
    if (!value.is_string()) return;
    for (std::size_t i = 0; i < given.size() && i < kept.size(); ++i)
      if (value.as_string() == given[i]) {
        value = kept[i];
        return;
      }
  };
  for (auto& [name, value] : params) {
    replace(value);
    if (auto* list = value.if_array())
      for (auto& item : *list) replace(item);
  }
}

Error priority_not_allowed(Priority wanted, const Share& share) {
  std::string allowed;
  boost::json::array list;
  for (Priority priority : share.priorities) {
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", name(priority));
    list.emplace_back(boost::json::string(name(priority)));
  }
  return Error(Errc::forbidden, "priority_not_allowed",
               {fmt::format("You may not use priority {}; allowed: {}.", name(wanted), allowed),
                fmt::format("您不能使用优先级 {}；可用：{}。", name(wanted), allowed)})
      .with("priority", boost::json::string(name(wanted)))
      .with("allowed", std::move(list));
}

Result<Priority> settle_priority(const Wishes& wishes, const Share& share) {
  const auto allowed = [&](Priority priority) { return std::ranges::find(share.priorities, priority) != share.priorities.end(); };
  if (wishes.priority && !allowed(*wishes.priority)) return fail(priority_not_allowed(*wishes.priority, share));
  if (wishes.priority) return *wishes.priority;
  return allowed(Priority::normal) || share.priorities.empty() ? Priority::normal : share.priorities.front();
}

bool wants_cache(const Wishes& wishes, const CacheRules& rules) {
  switch (rules.mode) {
    case CacheRules::Mode::off: return false;
    case CacheRules::Mode::request: return wishes.use_cache.value_or(false);
    case CacheRules::Mode::always: return wishes.use_cache.value_or(true);
  }
  return false;
}

awaitable<Result<TakenInputs>> take_inputs_of(const OrderParts& parts, const Asking& asking,
                                              const catalogue::Normalised& normalised) {
  if (normalised.inputs.empty()) co_return TakenInputs{};
  InputContext context;
  context.user_id = asking.user_id;
  context.own_origins = parts.own_origins;
  if (!asking.own_origin.empty()) context.own_origins.push_back(asking.own_origin);
  context.inline_only = parts.inputs_inline;
  context.now = parts.clock.now_ms();
  std::string param = normalised.params.contains("image_urls") ? "image_urls" : "image_url";
  auto taken = co_await take_inputs(parts.database, parts.files, normalised.inputs, std::move(param), std::move(context));
  co_return taken;
}

awaitable<Result<TakenInputs>> take_inputs_once(const OrderParts& parts, const Asking& asking,
                                                const catalogue::Normalised& normalised, TakenBefore* before) {
  if (before)
    if (auto known = before->find(normalised.inputs); known != before->end()) co_return known->second;
  auto taken = co_await take_inputs_of(parts, asking, normalised);
  if (taken && before) {
    TakenInputs again = *taken;
    again.uploads.clear();  // their rows are written with the first
    before->emplace(normalised.inputs, std::move(again));
  }
  co_return taken;
}

}  // namespace

Result<Wishes> take_wishes(boost::json::object& body) {
  Wishes wishes;
  if (auto* price = body.if_contains("expected_price"); price && !price->is_null()) {
    std::string text = price->is_string() ? std::string(price->as_string()) : boost::json::serialize(*price);
    if (price->is_double()) text = fmt::format("{:.3f}", price->as_double());
    wishes.expected_price = Credits::parse(text);
    if (!wishes.expected_price || *wishes.expected_price < Credits{})
      return fail(Error::invalid(field("expected_price", "decimal_parsing",
                                       {"expected_price must be a number of credits ≥ 0 with at most three decimals.",
                                        "expected_price 必须是不小于 0、最多三位小数的积分数。"},
                                       *price)));
  }
  if (auto* rev = body.if_contains("rev"); rev && !rev->is_null() && !rev->is_int64())
    return fail(Error::invalid(field("rev", "int_type", {"rev must be a whole number.", "rev 必须是整数。"}, *rev)));
  if (auto* priority = body.if_contains("priority"); priority && !priority->is_null()) {
    if (priority->is_string()) wishes.priority = priority_named(priority->as_string());
    if (!wishes.priority)
      return fail(Error::invalid(field("priority", "enum",
                                       {"priority must be low, normal or high.", "priority 必须是 low、normal 或 high。"},
                                       *priority)));
  }
  if (auto* cache = body.if_contains("use_cache"); cache && !cache->is_null()) {
    if (!cache->is_bool())
      return fail(Error::invalid(field("use_cache", "bool_type",
                                       {"use_cache must be true or false.", "use_cache 必须是 true 或 false。"}, *cache)));
    wishes.use_cache = cache->as_bool();
  }
  for (const char* member : {"expected_price", "rev", "priority", "use_cache"}) body.erase(member);
  return wishes;
}

Error price_changed(Credits price, int rev, Credits expected) {
  return Error(Errc::conflict, "price_changed",
               {fmt::format("The price is {} credits now, not {}.", price.to_string(), expected.to_string()),
                fmt::format("当前价格为 {} 积分，而不是 {}。", price.to_string(), expected.to_string())})
      .with("price", price.as_number())
      .with("expected_price", expected.as_number())
      .with("rev", rev);
}

Result<House> read_house(db::Tx& tx, const AccountStore& accounts, const std::string& provider, const std::string& user_id) {
  FLUX_CHECK(accounts.usable(tx, provider));
  boost::json::object scheduling, cache;
  std::string role = "user";
  tx.each("SELECT key, value FROM fg_setting WHERE key IN ($1, $2) UNION ALL SELECT '', role FROM \"user\" WHERE id = $3",
          {kSchedulingKey, kCacheKey, user_id}, [&](const db::Row& row) {
            if (row.text(0).empty()) role = row.text(1);
            else (row.text(0) == kCacheKey ? cache : scheduling) = db::setting::parsed(row.text(1));
          });
  return House{scheduling_from(scheduling).share_of(user_id, role), cache_rules_from(cache)};
}

awaitable<Result<Order>> make_order(const OrderParts& parts, Asking asking, boost::json::object body, Wishes wishes,
                                    TakenBefore* before) {
  auto catalogue = parts.catalogue.get();
  FLUX_CO_TRY(model_id, take_model(body));
  FLUX_CO_TRY(model, catalogue->require(asking.provider, model_id));
  FLUX_CO_TRY(normalised, model->validate(asking.endpoint, body));
  const catalogue::Quote quote = model->quote(normalised.params);
  if (wishes.expected_price && quote.total > *wishes.expected_price)
    co_return fail(price_changed(quote.total, quote.rev, *wishes.expected_price));
  FLUX_CO_TRY(priority, settle_priority(wishes, asking.house.share));
  auto taken_or_not = co_await take_inputs_once(parts, asking, normalised, before);
  FLUX_CO_TRY(taken, std::move(taken_or_not));

  Order order;
  order.stamp = credits::make_stamp(parts.clock.now_ms());
  order.cache = asking.house.cache;
  order.use_cache = wants_cache(wishes, order.cache);
  Task& task = order.task;
  task.id = new_id(order.stamp.now);
  task.user_id = std::move(asking.user_id);
  task.provider = std::move(asking.provider);
  task.endpoint = std::move(asking.endpoint);
  task.model = std::move(model_id);
  task.priority = priority;
  task.cache_key = cache_key(*model, task.endpoint, normalised, taken.hashes);
  task.prompt = text_member(normalised.params, "prompt");
  task.params = std::move(normalised.params);
  replace_inputs(task.params, normalised.inputs, taken.values);  // base64 never enters the database
  task.inputs = std::move(taken.values);
  task.images = normalised.images;
  task.quote = quote.total;
  task.quote_rev = quote.rev;
  task.created_at = task.updated_at = order.stamp.now;
  order.uploads = std::move(taken.uploads);
  co_return order;
}

// ---- in the transaction ----

void lock_account(db::Tx& tx, std::string_view user_id) {
  if (tx.dialect() == db::Dialect::postgresql)
    db::post(tx, "SELECT 1 FROM fg_credit_account WHERE user_id = $1 FOR UPDATE", {user_id});
}

Result<void> check_pending(db::Tx& tx, std::string_view user_id, std::string_view provider, const Share& share, int more) {
  if (share.pending == 0) return {};
  const auto pending = tx.number(
      "SELECT COALESCE(SUM(n), 0) FROM fg_user_counter WHERE user_id = $1 AND provider = $2 "
      "AND status NOT IN ('succeeded', 'failed', 'cancelled')",
      {user_id, provider});
  if (pending + more <= share.pending) return {};
  constexpr int kRetryAfter = 10;  // seconds
  return fail(Error(Errc::too_many_requests, "too_many_tasks",
                    {fmt::format("You may have {} unfinished tasks; {} are unfinished.", share.pending, pending),
                     fmt::format("最多允许 {} 个未完成任务，当前有 {} 个。", share.pending, pending)})
                  .with("limit", share.pending)
                  .with("pending", pending)
                  .with("received", more)
                  .retry_after(kRetryAfter));
}

Result<void> check_files(db::Tx& tx, std::span<const Order> orders) {
  std::uint64_t bytes = 0;
  for (const Order& order : orders)
    for (const auto& upload : order.uploads) bytes += upload.second.size;
  return files::check_room(tx, orders.front().task.user_id, bytes, Errc::invalid);
}

Result<Task> place(db::Tx& tx, const files::Files& files, const Order& order) {
  auto hit = order.use_cache ? find_cached(tx, files, order.task, order.cache, order.stamp.now) : std::nullopt;
  Task task = order.task;
  if (hit) {
    task.state = TaskState::succeeded;
    task.cached_from = hit->task_id;
    task.result = hit->result;
    task.seed = hit->seed;
    task.quote = task.charged = hit->price;
    task.completed_at = order.stamp.now;
  }
  FLUX_TRY(account, credits::hold(tx, task.user_id, task.id, task.quote, order.stamp));
  for (const auto& [row, stored] : order.uploads) files.insert(tx, row, stored);
  for (const std::string& input : task.inputs)
    if (const std::string file = files.file_id_of(input); !file.empty()) files::note_use(tx, file, task.id);
  if (hit) {
    account = credits::settle(tx, task.user_id, task.id, task.charged, credits::make_stamp(order.stamp.now));
    for (std::size_t i = 0; i < hit->rows.size(); ++i) {
      const TaskFile& file = hit->files[i];
      files.insert(tx, hit->rows[i],
                   {.key = hit->rows[i].key, .sha256 = file.sha256, .size = file.size, .mime = file.mime, .width = file.width,
                    .height = file.height, .dominant_color = file.dominant_color, .thumbhash = file.thumbhash});
      store::insert_file(tx, task.id, file);
    }
  }
  store::insert(tx, task, account);
  if (hit)
    stats::count(tx, {task.user_id, task.provider, task.model, stats::Outcome::succeeded,
                      static_cast<int>(hit->files.size()), task.charged, order.stamp.now});
  return task;
}

// ---- the Idempotency-Key ----

std::optional<KnownKey> find_key(db::Tx& tx, const KeyUse& use) {
  if (use.key.empty()) return std::nullopt;
  return tx.first("SELECT task_id, body_sha256 FROM fg_idempotency WHERE user_id = $1 AND endpoint = $2 AND key = $3",
                  {use.user_id, use.endpoint, use.key},
                  [&](const db::Row& row) { return KnownKey{row.str(0), row.text(1) == use.body_sha256}; });
}

void keep_key(db::Tx& tx, const KeyUse& use, std::string_view made_id, Millis now) {
  if (use.key.empty()) return;
  db::post(tx,
      "INSERT INTO fg_idempotency (user_id, endpoint, key, body_sha256, task_id, status, created_at) "
      "VALUES ($1, $2, $3, $4, $5, 200, $6)",
      {use.user_id, use.endpoint, use.key, use.body_sha256, made_id, now});
}

Result<Submitted> replay(const KnownKey& known) {
  if (known.same_body) return Submitted{known.made_id, true};
  return fail(Errc::invalid, "idempotency_mismatch",
              {"This Idempotency-Key was used before with another body.", "该 Idempotency-Key 已用于不同的请求内容。"});
}

}  // namespace fluxgate::tasks

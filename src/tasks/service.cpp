#include "tasks/service.h"

#include <fmt/format.h>

#include "base/ids.h"
#include "base/log.h"
#include "tasks/final_cache.h"
#include "tasks/inputs.h"

namespace fluxgate::tasks {
namespace {

constexpr int kQueueCountLimit = 1'000;  // beyond it the position is "1000 or more"

Error task_not_found() { return Error(Errc::not_found, "task_not_found", {"Task not found", "任务不存在"}); }

FieldError field(std::string name, std::string type, Text message, boost::json::value input) {
  FieldError error;
  error.loc = {std::string("body"), std::move(name)};
  error.type = std::move(type);
  error.message = std::move(message);
  error.input = std::move(input);
  return error;
}

// Members of the request that speak about the price, not to the model.
struct Agreement {
  std::optional<Credits> expected_price;
};

Result<Agreement> take_agreement(boost::json::object& body) {
  Agreement agreement;
  if (auto* price = body.if_contains("expected_price"); price && !price->is_null()) {
    std::string text = price->is_string() ? std::string(price->as_string()) : boost::json::serialize(*price);
    if (price->is_double()) text = fmt::format("{:.3f}", price->as_double());
    agreement.expected_price = Credits::parse(text);
    if (!agreement.expected_price || *agreement.expected_price < Credits{})
      return fail(Error::invalid(field("expected_price", "decimal_parsing",
                                       {"expected_price must be a number of credits ≥ 0 with at most three decimals.",
                                        "expected_price 必须是不小于 0、最多三位小数的积分数。"},
                                       *price)));
  }
  if (auto* rev = body.if_contains("rev"); rev && !rev->is_null() && !rev->is_int64())
    return fail(Error::invalid(field("rev", "int_type", {"rev must be a whole number.", "rev 必须是整数。"}, *rev)));
  body.erase("expected_price");
  body.erase("rev");
  return agreement;
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

Error price_changed(const catalogue::Quote& quote, Credits expected) {
  return Error(Errc::conflict, "price_changed",
               {fmt::format("The price is {} credits now, not {}.", quote.total.to_string(), expected.to_string()),
                fmt::format("当前价格为 {} 积分，而不是 {}。", quote.total.to_string(), expected.to_string())})
      .with("price", quote.total.as_number())
      .with("expected_price", expected.as_number())
      .with("rev", quote.rev);
}

Error key_reused() {
  return Error(Errc::invalid, "idempotency_mismatch",
               {"This Idempotency-Key was used before with another body.", "该 Idempotency-Key 已用于不同的请求内容。"});
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

// Everything the submit's transaction writes, made before it.
struct Order {
  Task task;
  SubmitRequest request;
  std::vector<std::pair<files::FileRow, files::Stored>> uploads;
  credits::Stamp stamp;
};

struct Known {
  std::string task_id;
  bool same_body = false;
};

std::optional<Known> find_key(db::Tx& tx, const SubmitRequest& request) {
  if (request.idempotency_key.empty()) return std::nullopt;
  return tx.first("SELECT task_id, body_sha256 FROM fg_idempotency WHERE user_id = $1 AND endpoint = $2 AND key = $3",
                  {request.user_id, request.endpoint, request.idempotency_key}, [&](const db::Row& row) {
                    return Known{row.str(0), row.text(1) == request.body_sha256};
                  });
}

Result<Submitted> replay(const Known& known) {
  if (!known.same_body) return fail(key_reused());
  return Submitted{known.task_id, true};
}

Result<Submitted> place(db::Tx& tx, const files::Files& files, const Order& order) {
  const SubmitRequest& request = order.request;
  if (auto known = find_key(tx, request)) return replay(*known);
  // First, and on PostgreSQL the point where the same key of another connection waits.
  auto held = credits::hold(tx, order.task.user_id, order.task.id, order.task.quote, order.stamp);
  if (!held) return fail(std::move(held).error());
  if (!request.idempotency_key.empty()) {
    auto kept = tx.exec(
        "INSERT INTO fg_idempotency (user_id, endpoint, key, body_sha256, task_id, status, created_at) "
        "VALUES ($1, $2, $3, $4, $5, 200, $6) ON CONFLICT DO NOTHING",
        {request.user_id, request.endpoint, request.idempotency_key, request.body_sha256, order.task.id, order.stamp.now});
    if (kept == 0) return replay(find_key(tx, request).value_or(Known{}));
  }
  for (const auto& [row, stored] : order.uploads) files.insert(tx, row, stored);
  store::insert(tx, order.task);
  return Submitted{order.task.id, false};
}

class Service final : public Tasks {
 public:
  explicit Service(ServiceParts parts) : parts_(std::move(parts)) {}

  awaitable<Result<Submitted>> submit(SubmitRequest request) override {
    auto known = co_await parts_.database.read([request](db::Tx& tx) { return find_key(tx, request); });
    if (known) co_return replay(*known);
    auto usable = co_await parts_.database.read(
        [&accounts = parts_.accounts, provider = request.provider](db::Tx& tx) { return accounts.usable(tx, provider); });
    if (!usable) co_return fail(std::move(usable).error());

    auto catalogue = parts_.catalogue.get();
    FLUX_CO_TRY(agreement, take_agreement(request.body));
    FLUX_CO_TRY(model_id, take_model(request.body));
    FLUX_CO_TRY(model, catalogue->require(request.provider, model_id));
    FLUX_CO_TRY(normalised, model->validate(request.endpoint, request.body));
    catalogue::Quote quote = model->quote(normalised.params);
    if (agreement.expected_price && quote.total > *agreement.expected_price)
      co_return fail(price_changed(quote, *agreement.expected_price));

    auto taken = co_await take_inputs_of(request, normalised);
    if (!taken) co_return fail(std::move(taken).error());
    Order order = make_order(std::move(request), std::move(normalised), quote, model_id, std::move(*taken));
    auto placed = co_await parts_.database.write(
        [&files = parts_.files, order = std::move(order)](db::Tx& tx) { return place(tx, files, order); });
    if (placed && !placed->replayed) parts_.engine.wake();
    co_return placed;
  }

  awaitable<Result<TaskView>> find(std::string id, std::string user_id) override {
    auto ended = ended_.find(id);
    if (ended && (user_id.empty() || ended->task.user_id == user_id)) co_return *ended;
    auto view = co_await parts_.database.read([this, id, user_id](db::Tx& tx) -> Result<TaskView> {
      auto task = store::find(tx, id, user_id);
      if (!task) return fail(task_not_found());
      return view_of(tx, std::move(*task));
    });
    if (view && is_final(view->task.state)) ended_.put(*view);
    co_return view;
  }

  awaitable<HistoryPage> history(HistoryQuery query) override {
    auto page = co_await parts_.database.read([this, query](db::Tx& tx) {
      HistoryPage found;
      found.total = store::total(tx, query);
      for (Task& task : store::history(tx, query)) found.tasks.push_back(view_of(tx, std::move(task)));
      if (static_cast<int>(found.tasks.size()) == query.limit) found.next_cursor = found.tasks.back().task.id;
      return found;
    });
    co_return page;
  }

  awaitable<Result<TaskView>> cancel(std::string id, std::string user_id) override {
    Millis now = parts_.clock.now_ms();
    auto stamp = credits::make_stamp(now);
    auto cancelled = co_await parts_.database.write([id, user_id, now, stamp](db::Tx& tx) -> Result<Task> {
      auto task = store::find(tx, id, user_id);
      if (!task) return fail(task_not_found());
      if (task->state == TaskState::queued) {
        store::Move change{.to = TaskState::cancelled, .now = now, .error_code = "cancelled"};
        change.error_message = {"You cancelled this.", "任务已取消。"};
        change.stamp = stamp;
        if (store::move(tx, *task, change)) return *task;
      }
      if (!is_final(task->state) && !task->cancel_requested_at) store::request_cancel(tx, *task, now);
      return *task;
    });
    if (!cancelled) co_return fail(std::move(cancelled).error());
    parts_.hub.changed(cancelled->user_id);
    if (!is_final(cancelled->state)) parts_.engine.attend(cancelled->id);
    auto view = co_await find(cancelled->id, user_id);
    co_return view;
  }

  awaitable<Result<TaskView>> wait(std::string id, std::string user_id, std::chrono::milliseconds limit) override {
    auto executor = co_await boost::asio::this_coro::executor;
    auto deadline = std::chrono::steady_clock::now() + limit;
    auto listener = parts_.hub.subscribe(user_id, executor);
    for (;;) {
      auto view = co_await find(id, user_id);
      if (!view || is_final(view->task.state) || parts_.draining) co_return view;
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) co_return view;
      // News wake it; the second catches those of another node.
      co_await listener->wakeup().wait_for(std::min(left, std::chrono::milliseconds(1'000)));
    }
  }

  awaitable<bool> webhook(std::string attempt_id, std::string mac, HeaderList headers, std::string body) override {
    if (!crypto::equal_constant_time(parts_.engine.hook_mac(attempt_id), mac)) co_return false;
    co_await boost::asio::co_spawn(parts_.engine.executor(),
                                   parts_.engine.on_webhook(std::move(attempt_id), std::move(headers), std::move(body)),
                                   use_awaitable);
    co_return true;
  }

 private:
  awaitable<Result<TakenInputs>> take_inputs_of(const SubmitRequest& request, const catalogue::Normalised& normalised) {
    if (normalised.inputs.empty()) co_return TakenInputs{};
    InputContext context;
    context.user_id = request.user_id;
    context.own_origins = parts_.own_origins;
    if (!request.own_origin.empty()) context.own_origins.push_back(request.own_origin);
    context.inline_only = parts_.inputs_inline;
    context.now = parts_.clock.now_ms();
    std::string param = normalised.params.contains("image_urls") ? "image_urls" : "image_url";
    auto taken = co_await take_inputs(parts_.database, parts_.files, normalised.inputs, std::move(param), std::move(context));
    co_return taken;
  }

  Order make_order(SubmitRequest request, catalogue::Normalised normalised, const catalogue::Quote& quote,
                   std::string model_id, TakenInputs taken) const {
    Order order;
    order.stamp = credits::make_stamp(parts_.clock.now_ms());
    Task& task = order.task;
    task.id = new_id(order.stamp.now);
    task.user_id = request.user_id;
    task.provider = request.provider;
    task.endpoint = request.endpoint;
    task.model = std::move(model_id);
    task.prompt = text_member(normalised.params, "prompt");
    task.params = std::move(normalised.params);
    replace_inputs(task.params, normalised.inputs, taken.values);  // base64 never enters the database
    task.inputs = std::move(taken.values);
    task.images = normalised.images;
    task.quote = quote.total;
    task.quote_rev = quote.rev;
    task.created_at = order.stamp.now;
    order.uploads = std::move(taken.uploads);
    order.request = std::move(request);
    order.request.body.clear();
    return order;
  }

  TaskView view_of(db::Tx& tx, Task task) const {
    TaskView view;
    view.progress = parts_.progress.get(task.id);
    if (task.state == TaskState::succeeded) view.files = store::files(tx, task.id);
    if (task.state == TaskState::queued)
      view.progress.queue_position = static_cast<int>(store::queue_position(tx, task, kQueueCountLimit));
    if (!is_final(task.state))
      if (auto median = store::median_ms(tx, task.model, size_class(task)))
        view.progress.expected_at = task.started_at.value_or(parts_.clock.now_ms()) + *median;
    view.task = std::move(task);
    return view;
  }

  ServiceParts parts_;
  FinalCache ended_;
};

}  // namespace

std::unique_ptr<Tasks> make_tasks(ServiceParts parts) { return std::make_unique<Service>(std::move(parts)); }

}  // namespace fluxgate::tasks

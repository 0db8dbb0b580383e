#include "tasks/batches.h"

#include <fmt/format.h>

#include "base/ids.h"
#include "db/post.h"
#include "notify/events.h"
#include "tasks/task_row.h"
#include "tasks/task_store.h"

namespace fluxgate::tasks {
namespace {

namespace json = boost::json;

constexpr int kCancelledAtOnce = 100;     // per transaction, so that nobody waits long for the cancel of a batch
constexpr std::size_t kErrorsShown = 100;

Error batch_not_found() { return Error(Errc::not_found, "batch_not_found", {"Batch not found", "批次不存在"}); }

// The item's own error, told as one of the batch.
std::vector<FieldError> placed(const Error& error, const std::string& items_at, std::size_t index) {
  std::vector<FieldError> fields = error.fields();
  for (FieldError& field : fields) {
    std::vector<std::variant<std::string, std::int64_t>> loc{std::string("body"), items_at,
                                                             static_cast<std::int64_t>(index)};
    if (field.loc.size() > 1) loc.insert(loc.end(), field.loc.begin() + 1, field.loc.end());
    field.loc = std::move(loc);
  }
  return fields;
}

json::object refused_item(const std::vector<FieldError>& fields, std::size_t index) {
  json::array errors;
  for (const FieldError& field : fields) {
    json::array loc;
    for (const auto& part : field.loc) std::visit([&loc](const auto& step) { loc.emplace_back(step); }, part);
    errors.push_back({{"loc", std::move(loc)}, {"type", field.type}, {"msg", {{"en", field.message.en}, {"zh", field.message.zh}}}});
  }
  return {{"index", index}, {"errors", std::move(errors)}};
}

// What the batch's transaction writes.
struct Parcel {
  Batch batch;
  std::vector<Order> orders;
  Credits quote;
  KeyUse use;
  Share share;
};

KeyUse key_use(const BatchRequest& request) {
  return {request.user_id, "batch", request.idempotency_key, request.body_sha256};
}

constexpr std::string_view kColumns =
    "id, user_id, provider, endpoint, name, total, refused, cancel_requested_at, ended_at, created_at";

Batch read_batch(const db::Row& row) {
  Batch batch;
  batch.id = row.str(0);
  batch.user_id = row.str(1);
  batch.provider = row.str(2);
  batch.endpoint = row.str(3);
  batch.name = row.str(4);
  batch.total = static_cast<int>(row.i64(5));
  if (auto refused = parse_or_null(row.text(6)); refused.is_array()) batch.refused = std::move(refused.as_array());
  batch.cancel_requested_at = row.maybe_i64(7);
  batch.ended_at = row.maybe_i64(8);
  batch.created_at = row.i64(9);
  return batch;
}

BatchView view_of(db::Tx& tx, Batch batch) {
  BatchView view;
  tx.each("SELECT status, COUNT(*), SUM(quote), SUM(charged) FROM fg_task WHERE batch_id = $1 GROUP BY status", {batch.id},
          [&](const db::Row& row) {
            if (auto state = task_state(row.text(0))) view.counts[*state] = static_cast<int>(row.i64(1));
            view.quote += row.credits(2);
            view.charged += row.credits(3);
          });
  view.batch = std::move(batch);
  return view;
}

std::optional<Batch> find_batch(db::Tx& tx, std::string_view id, std::string_view user_id) {
  static const std::string sql =
      fmt::format("SELECT {} FROM fg_batch WHERE id = $1 AND ($2 = '' OR user_id = $2)", kColumns);
  return tx.first(sql, {id, user_id}, read_batch);
}

void insert_batch(db::Tx& tx, const Batch& batch) {
  const std::string refused = json::serialize(batch.refused);
  db::post(tx, "INSERT INTO fg_batch (id, user_id, provider, endpoint, name, total, refused, created_at) "
          "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
          {batch.id, batch.user_id, batch.provider, batch.endpoint, batch.name, batch.total,
           batch.refused.empty() ? db::Param(nullptr) : db::Param(refused), batch.created_at});
}

void announce(db::Tx& tx, const Parcel& parcel) {
  json::object data{{"batch_id", parcel.batch.id}, {"total", parcel.batch.total}, {"quote", parcel.quote.as_number()}};
  if (auto account = credits::find_account(tx, parcel.batch.user_id)) {
    data["credits_balance"] = account->available().as_number();
    data["credits_held"] = account->held.as_number();
  }
  notify::append(tx, parcel.batch.user_id, "batch.created", data, parcel.batch.created_at);
}

// Results that were there already may be all of it.
void end_if_nothing_lives(db::Tx& tx, const Batch& batch) {
  if (tx.number("SELECT 1 FROM fg_task WHERE batch_id = $1 AND status = 'queued' LIMIT 1", {batch.id}) == 0)
    tx.exec("UPDATE fg_batch SET ended_at = $2 WHERE id = $1", {batch.id, batch.created_at});
}

Result<Submitted> place_all(db::Tx& tx, const files::Files& files, const Parcel& parcel) {
  lock_account(tx, parcel.batch.user_id);
  if (auto known = find_key(tx, parcel.use)) return replay(*known);
  FLUX_CHECK(check_pending(tx, parcel.batch.user_id, parcel.batch.provider, parcel.share, parcel.batch.total));
  FLUX_CHECK(check_files(tx, parcel.orders));
  const bool cached = std::ranges::any_of(parcel.orders, &Order::use_cache);  // and may cost less then
  if (!cached) FLUX_CHECK(credits::check_available(tx, parcel.batch.user_id, parcel.quote));
  insert_batch(tx, parcel.batch);
  for (const Order& order : parcel.orders) FLUX_CHECK(place(tx, files, order));
  keep_key(tx, parcel.use, parcel.batch.id, parcel.batch.created_at);
  if (cached) end_if_nothing_lives(tx, parcel.batch);
  announce(tx, parcel);
  return Submitted{parcel.batch.id, false};
}

class BatchService final : public Batches {
 public:
  explicit BatchService(ServiceParts parts) : parts_(std::move(parts)) {}

  awaitable<Result<Submitted>> submit(BatchRequest request) override {
    const KeyUse use = key_use(request);
    auto known = co_await parts_.database.read([use](db::Tx& tx) { return find_key(tx, use); });
    if (known) co_return replay(*known);
    auto house = co_await parts_.database.read(
        [&accounts = parts_.accounts, provider = request.provider, user = request.user_id](db::Tx& tx) {
          return read_house(tx, accounts, provider, user);
        });
    if (!house) co_return fail(std::move(house).error());
    const auto parcel = std::make_shared<Parcel>();
    auto packed = co_await pack(std::move(request), *house, *parcel);
    Result<Submitted> placed = Submitted{};
    if (packed)
      placed = co_await parts_.database.write([&files = parts_.files, parcel](db::Tx& tx) { return place_all(tx, files, *parcel); });
    else
      placed = std::unexpected(std::move(packed).error());
    if (placed && !placed->replayed) {
      parts_.hub.changed(parcel->batch.user_id);
      parts_.engine.wake();
      co_return placed;
    }
    TakenInputs::Pictures pictures;
    for (Order& order : parcel->orders) std::ranges::move(order.uploads, std::back_inserter(pictures));
    co_await abandon(parts_.database, std::move(pictures), parcel->batch.created_at);
    co_return placed;
  }

  awaitable<Result<BatchView>> find(std::string id, std::string user_id) override {
    auto view = co_await parts_.database.read([id, user_id](db::Tx& tx) -> Result<BatchView> {
      auto batch = find_batch(tx, id, user_id);
      if (!batch) return fail(batch_not_found());
      return tasks::view_of(tx, std::move(*batch));
    });
    co_return view;
  }

  awaitable<BatchList> list(std::string user_id, std::string cursor, int limit) override {
    auto found = co_await parts_.database.read([user_id, cursor, limit](db::Tx& tx) {
      static const std::string sql = fmt::format(
          "SELECT {} FROM fg_batch WHERE user_id = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3", kColumns);
      BatchList page;
      for (Batch& batch : tx.all(sql, {user_id, cursor, limit}, read_batch))
        page.batches.push_back(tasks::view_of(tx, std::move(batch)));
      if (static_cast<int>(page.batches.size()) == limit) page.next_cursor = page.batches.back().batch.id;
      return page;
    });
    co_return found;
  }

  awaitable<Result<BatchView>> cancel(std::string id, std::string user_id) override {
    const Millis now = parts_.clock.now_ms();
    auto marked = co_await parts_.database.write([id, user_id, now](db::Tx& tx) { return mark(tx, id, user_id, now); });
    FLUX_CO_TRY(batch, std::move(marked));
    for (;;) {
      const auto seen = co_await parts_.database.write([id = batch.id](db::Tx& tx) { return cancel_waiting(tx, id); });
      if (seen < kCancelledAtOnce) break;
    }
    auto live = co_await parts_.database.read([id = batch.id](db::Tx& tx) {
      return tx.all("SELECT id FROM fg_task WHERE batch_id = $1 AND status NOT IN ('succeeded', 'failed', 'cancelled')", {id},
                    [](const db::Row& row) { return row.str(0); });
    });
    for (std::string& task : live) parts_.engine.attend(std::move(task));
    parts_.hub.changed(batch.user_id);
    auto view = co_await find(batch.id, user_id);
    co_return view;
  }

 private:
  // Every request as an order; the refused ones noted or, all together, the answer.
  awaitable<Result<void>> pack(BatchRequest request, House house, Parcel& parcel) {
    Batch& batch = parcel.batch;
    batch.created_at = parts_.clock.now_ms();
    batch.id = new_id(batch.created_at);
    batch.user_id = request.user_id;
    batch.provider = request.provider;
    batch.endpoint = request.endpoint;
    batch.name = request.name;
    parcel.use = key_use(request);
    parcel.share = house.share;

    const OrderParts parts{parts_.database, parts_.files,       parts_.catalogue,    parts_.accounts,
                           parts_.clock,    parts_.own_origins, parts_.inputs_inline};
    Wishes wishes = request.wishes;
    wishes.expected_price.reset();
    TakenBefore taken;
    std::vector<FieldError> refused;
    for (std::size_t i = 0; i < request.requests.size(); ++i) {
      Asking asking{request.user_id, request.provider, request.endpoint, request.own_origin, house};
      auto order = co_await make_order(parts, std::move(asking), std::move(request.requests[i]), wishes, &taken);
      if (!order && order.error().fields().empty()) co_return fail(std::move(order).error());
      if (!order) {
        auto fields = placed(order.error(), request.items_at, i);
        if (request.skip_refused) batch.refused.push_back(refused_item(fields, i));
        refused.insert(refused.end(), fields.begin(), fields.end());
        continue;
      }
      order->task.batch_id = batch.id;
      parcel.quote += order->task.quote;
      parcel.orders.push_back(std::move(*order));
    }
    if (!refused.empty() && (!request.skip_refused || parcel.orders.empty())) {
      if (refused.size() > kErrorsShown) refused.resize(kErrorsShown);
      co_return fail(Error::invalid(std::move(refused)));
    }
    batch.total = static_cast<int>(parcel.orders.size());
    const auto& expected = request.wishes.expected_price;
    if (expected && parcel.quote > *expected)
      co_return fail(price_changed(parcel.quote, parcel.orders.front().task.quote_rev, *expected));
    co_return Result<void>();
  }

  // From here on none of its tasks is begun; a crash leaves nothing but to end them.
  static Result<Batch> mark(db::Tx& tx, const std::string& id, const std::string& user_id, Millis now) {
    auto batch = find_batch(tx, id, user_id);
    if (!batch) return fail(batch_not_found());
    if (batch->ended_at) return *batch;
    lock_account(tx, batch->user_id);
    tx.exec("UPDATE fg_batch SET cancel_requested_at = COALESCE(cancel_requested_at, $2) WHERE id = $1", {batch->id, now});
    tx.exec("UPDATE fg_task SET cancel_requested_at = $2, rev = rev + 1, updated_at = $2 WHERE batch_id = $1 "
            "AND cancel_requested_at IS NULL AND status NOT IN ('succeeded', 'failed', 'cancelled')",
            {batch->id, now});
    return *batch;
  }

  // How many were waiting, those included that a node took or ended meanwhile: with fewer than were asked for, no
  // other is left.
  static int cancel_waiting(db::Tx& tx, const std::string& id) {
    static const std::string sql = select_tasks("WHERE batch_id = $1 AND status = 'queued' ORDER BY id LIMIT $2");
    int seen = 0;
    for (Task& task : tx.all(sql, {id, kCancelledAtOnce}, read_task)) {
      const Millis now = *task.cancel_requested_at;
      store::Move change{.to = TaskState::cancelled, .now = now, .error_code = "cancelled"};
      change.error_message = {"You cancelled this.", "任务已取消。"};
      change.stamp = credits::make_stamp(now);
      store::move(tx, task, change);
      ++seen;
    }
    return seen;
  }

  ServiceParts parts_;
};

}  // namespace

std::unique_ptr<Batches> make_batches(ServiceParts parts) { return std::make_unique<BatchService>(std::move(parts)); }

}  // namespace fluxgate::tasks

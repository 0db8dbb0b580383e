#include "tasks/service.h"

#include <fmt/format.h>

#include "base/ids.h"
#include "base/log.h"
#include "tasks/durations.h"
#include "tasks/final_cache.h"
#include "tasks/order.h"
#include "tasks/task_store.h"
#include "tasks/waiting.h"

namespace fluxgate::tasks {
namespace {

Error task_not_found() { return Error(Errc::not_found, "task_not_found", {"Task not found", "任务不存在"}); }

class Service final : public Tasks {
 public:
  explicit Service(ServiceParts parts) : parts_(std::move(parts)) {}

  awaitable<Result<Submitted>> submit(SubmitRequest request) override {
    KeyUse use{request.user_id, request.endpoint, request.idempotency_key, request.body_sha256};
    auto known = co_await parts_.database.read([use](db::Tx& tx) { return find_key(tx, use); });
    if (known) co_return replay(*known);
    auto house = co_await parts_.database.read(
        [&accounts = parts_.accounts, provider = request.provider, user = request.user_id](db::Tx& tx) {
          return read_house(tx, accounts, provider, user);
        });
    if (!house) co_return fail(std::move(house).error());
    FLUX_CO_TRY(wishes, take_wishes(request.body));
    Asking asking{request.user_id, request.provider, request.endpoint, request.own_origin, *house};
    auto made = co_await make_order(order_parts(), std::move(asking), std::move(request.body), wishes);
    FLUX_CO_TRY(order, std::move(made));
    auto placed = co_await parts_.database.write(
        [&files = parts_.files, order, use, share = house->share](db::Tx& tx) -> Result<Submitted> {
          lock_account(tx, use.user_id);
          if (auto same = find_key(tx, use)) return replay(*same);
          FLUX_CHECK(check_pending(tx, use.user_id, order.task.provider, share, 1));
          FLUX_CHECK(check_files(tx, {&order, 1}));
          FLUX_TRY(task, place(tx, files, order));
          keep_key(tx, use, task.id, order.stamp.now);
          return Submitted{task.id, false, std::move(task)};
        });
    if (placed && !placed->replayed) parts_.engine.wake();
    else co_await abandon(parts_.database, std::move(order.uploads), order.stamp.now);
    co_return placed;
  }

  awaitable<Result<TaskView>> view(Submitted placed, std::string user_id) override {
    if (!placed.task) {
      auto found = co_await find(placed.task_id, user_id);
      co_return found;
    }
    auto view = co_await parts_.database.read([this, task = std::move(*placed.task)](db::Tx& tx) { return view_of(tx, task); });
    co_return view;
  }

  awaitable<Result<TaskView>> find(std::string id, std::string user_id) override {
    auto ended = ended_.find(id, parts_.clock.now_ms());
    if (ended && (user_id.empty() || ended->task.user_id == user_id)) co_return *ended;
    const Millis asked = parts_.clock.now_ms();
    auto view = co_await parts_.database.read([this, id, user_id](db::Tx& tx) -> Result<TaskView> {
      auto task = store::find(tx, id, user_id);
      if (!task) return fail(task_not_found());
      return view_of(tx, std::move(*task));
    });
    if (view && is_final(view->task.state)) ended_.put(*view, asked);
    co_return view;
  }
  void files_deleted() override { ended_.clear(); }

  awaitable<HistoryPage> history(HistoryQuery query) override {
    auto page = co_await parts_.database.read([this, query](db::Tx& tx) {
      HistoryPage found;
      if (!query.is_search()) found.total = store::total(tx, query);
      auto stored = store::history(tx, query);
      for (Task& task : stored.tasks) found.tasks.push_back(view_of(tx, std::move(task)));
      found.next_cursor = std::move(stored.next_cursor);
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
  OrderParts order_parts() const {
    return {parts_.database, parts_.files,       parts_.catalogue,    parts_.accounts,
            parts_.clock,    parts_.own_origins, parts_.inputs_inline};
  }

  TaskView view_of(db::Tx& tx, Task task) const {
    TaskView view;
    view.progress = parts_.progress.get(task.id);
    if (task.state == TaskState::succeeded) view.files = store::files(tx, task.id);
    if (task.state == TaskState::queued) parts_.waiting.place(tx, task, view.progress);
    if (!is_final(task.state))
      if (auto expected = stored_expectation(tx, task))
        view.progress.expected_at =
            task.started_at.value_or(parts_.clock.now_ms() + view.progress.wait_ms.value_or(0)) + expected->median;
    view.task = std::move(task);
    return view;
  }

  ServiceParts parts_;
  FinalCache ended_;
};

}  // namespace

std::unique_ptr<Tasks> make_tasks(ServiceParts parts) { return std::make_unique<Service>(std::move(parts)); }

}  // namespace fluxgate::tasks

#include "house.h"

#include <fmt/format.h>

#include "base/crypto.h"
#include "base/ids.h"
#include "credits/ledger.h"
#include "db/schema.h"
#include "notify/alerts.h"
#include "tasks/durations.h"
#include "tasks/task_store.h"

namespace fluxgate::closures {
namespace {

namespace json = boost::json;
using tasks::Task;
using tasks::TaskState;

constexpr Millis kNow = 1'790'000'000'000;
constexpr Credits kCredits = Credits::whole(1'000);

// A task of ann's in that state, owned by "node".
Task task_in(House& house, TaskState state, const std::string& id = "the-task") {
  return house.database.write_now([&](db::Tx& tx) {
    Task task;
    task.id = id;
    task.user_id = "ann";
    task.provider = "flux";
    task.endpoint = "text_to_image";
    task.model = "fal-ai/flux-1/schnell";
    task.quote = Credits::whole(5);
    task.created_at = kNow;
    static_cast<void>(credits::hold(tx, "ann", id, task.quote, credits::make_stamp(kNow)));
    tasks::store::insert(tx, task);
    if (state == TaskState::queued) return task;
    auto claimed = tasks::claim(tx, {"flux", "node", kNow, 1, {{"a", 1, 1'000}}});
    task = claimed.at(0);
    for (TaskState next : {TaskState::submitting, TaskState::running, TaskState::storing}) {
      if (task.state == state) break;
      tasks::store::move(tx, task, {.to = next, .now = kNow});
    }
    return task;
  });
}

tasks::SubmitRequest request(const std::string& key, const std::string& prompt) {
  tasks::SubmitRequest made;
  made.user_id = "ann";
  made.provider = "flux";
  made.endpoint = "text_to_image";
  made.body = {{"model", "fal-ai/flux-1/schnell"}, {"prompt", prompt}};
  made.idempotency_key = key;
  made.body_sha256 = "x";
  return made;
}

tasks::BatchRequest batch_request(const std::string& key) {
  tasks::BatchRequest made;
  made.user_id = "ann";
  made.provider = "flux";
  made.endpoint = "text_to_image";
  for (int i = 0; i < 3; ++i) made.requests.push_back({{"model", "fal-ai/flux-1/schnell"}, {"prompt", std::to_string(i)}});
  made.idempotency_key = key;
  made.body_sha256 = "x";
  return made;
}

void deliver(House& house, db::Tx& tx, const std::string& id, int position) {
  house.files->insert(tx, {.id = id, .user_id = "ann", .filename = "a.png", .key = "aa/bb/x.png", .mime = "image/png", .source_type = "flux",
                           .source_task_id = "the-task", .sha256 = "x", .size = 1, .created_at = kNow}, {});
  tasks::TaskFile file;
  file.position = position;
  file.file_id = id;
  tasks::store::insert_file(tx, "the-task", file);
}

// An act on one task that is there, done by whoever is first.
Act moves(const std::string& name, TaskState from, tasks::store::Move change, const std::string& end) {
  return {name,
          [from](House& house) { task_in(house, from); },
          [change](House& house, int) {
            auto stamped = change;
            stamped.now = kNow + 1;
            stamped.stamp = credits::make_stamp(kNow + 1);
            house.database.write_now([&house, stamped](db::Tx& tx) {
              auto task = tasks::store::find(tx, "the-task", "");
              // As an engine does: the state and owner it read before are in the WHERE.
              if (!task || !tasks::can_move(task->state, stamped.to) || !tasks::store::move(tx, *task, stamped)) return;
              if (stamped.to == TaskState::succeeded) deliver(house, tx, "the-file", 0);
            });
          },
          fmt::format("SELECT COUNT(*) FROM fg_task WHERE status = '{}'", end), 1};
}

std::string id_for(int i) { return fmt::format("{:04}", i); }

}  // namespace

House::House(db::Database& db, const std::filesystem::path& folder) : database(db) {
  files::Options options;
  options.directory = (folder / "files").string();
  options.link_secret = std::string(32, 'k');
  files = files::make_files(options, clock);
  static const auto built_in = catalogue::load("").catalogue;
  catalogue_ = std::make_unique<catalogue::Holder>(built_in);
  client_ = net::make_http_client(io, {});
  engine_ = std::make_unique<tasks::Engine>(
      io.get_executor(),
      tasks::EngineParts{database, *files, *client_, hub_, *catalogue_, accounts, health_, progress_, clock, {}},
      tasks::EngineOptions{.node_id = "node", .hook_secret = std::string(32, 'h')});
  const tasks::ServiceParts service{database, *files, hub_, *catalogue_, accounts, progress_, clock, *engine_, waiting_, draining_, {}};
  tasks = tasks::make_tasks(service);
  batches = tasks::make_batches(service);
  identity::IdentityOptions people;
  people.session_secret = "a secret that only this test knows";
  people.given.default_user_role = "user";
  people.cost = {1, 8192, 64};  // cheap hashes, a long line: it is the database that is tested
  people.on_new_user = [](db::Tx& tx, const std::string& id, Millis now) {
    credits::open_account(tx, id, kCredits, credits::make_stamp(now));
  };
  identity = std::make_unique<identity::Identity>(database, clock, std::move(people));
}

House::~House() { identity->stop(); }

void House::run(awaitable<void> work) {
  auto with_value = [](awaitable<void> inner) -> awaitable<bool> {
    co_await std::move(inner);
    co_return true;
  };
  run<bool>(with_value(std::move(work)));
}

void House::furnish(db::Database& database) {
  crypto::Sealer sealer{std::string(32, 'm')};
  const tasks::AccountStore accounts{sealer};
  database.write_now([&accounts](db::Tx& tx) {
    db::create_missing(tx, kNow);
    for (const char* id : {"admin", "ann", "bob"}) {
      tx.exec("INSERT INTO \"user\" (id, name, email, role, profile_image_url, created_at, updated_at, last_active_at) "
              "VALUES ($1, $1, $1, $2, '', 0, 0, 0)", {id, std::string_view(id) == "admin" ? "admin" : "user"});
      credits::open_account(tx, id, kCredits, credits::make_stamp(kNow));
    }
    for (const char* id : {"a", "b"}) {
      tasks::UpstreamAccount account;
      account.account = {id, "flux", "http://127.0.0.1:9", "k", {}};
      account.max_concurrent = 1'000;
      accounts.save(tx, account, kNow);
    }
    accounts.save_settings(tx, "flux", {.enabled = true}, kNow);
  });
}

const std::vector<Act>& acts() {
  static const std::vector<Act> all = {
      {"submit with one key", {}, [](House& h, int) { static_cast<void>(h.run(h.tasks->submit(request("k", "x")))); },
       "SELECT COUNT(*) FROM fg_task", 1},
      {"submit with keys of their own", {}, [](House& h, int i) { static_cast<void>(h.run(h.tasks->submit(request(id_for(i), "x")))); },
       "SELECT COUNT(*) FROM fg_task", 64},
      {"submit until the credits are used up",
       [](House& h) {
         h.database.write_now([](db::Tx& tx) {
           static_cast<void>(credits::set_available(tx, "ann", Credits::whole(50), "admin", "", credits::make_stamp(kNow)));
         });
       },
       [](House& h, int i) { static_cast<void>(h.run(h.tasks->submit(request(id_for(i), "x")))); }, "SELECT COUNT(*) FROM fg_task", 10},
      {"submit a batch with one key", {}, [](House& h, int) { static_cast<void>(h.run(h.batches->submit(batch_request("k")))); },
       "SELECT COUNT(*) FROM fg_task WHERE batch_id IS NOT NULL", 3},
      {"submit batches", {}, [](House& h, int i) { static_cast<void>(h.run(h.batches->submit(batch_request(id_for(i))))); },
       "SELECT COUNT(*) FROM fg_batch WHERE total = 3", 64},
      {"cancel what waits", [](House& h) { task_in(h, TaskState::queued); },
       [](House& h, int) { static_cast<void>(h.run(h.tasks->cancel("the-task", "ann"))); },
       "SELECT COUNT(*) FROM fg_task WHERE status = 'cancelled'", 1},
      {"ask for the end of what runs", [](House& h) { task_in(h, TaskState::running); },
       [](House& h, int) { static_cast<void>(h.run(h.tasks->cancel("the-task", "ann"))); },
       "SELECT COUNT(*) FROM fg_task WHERE cancel_requested_at IS NOT NULL", 1},
      {"claim",
       [](House& h) { for (int i = 0; i < 64; ++i) task_in(h, TaskState::queued, id_for(i)); },
       [](House& h, int) { h.database.write_now([](db::Tx& tx) { tasks::claim(tx, {"flux", "node", kNow, 3, {{"a", 1, 20}, {"b", 1, 20}}}); }); },
       "SELECT COUNT(*) FROM fg_task WHERE owner = 'node'", 40},
      {"give back", [](House& h) { task_in(h, TaskState::queued); h.database.write_now([](db::Tx& tx) { tasks::claim(tx, {"flux", "node", kNow, 1, {{"a", 1, 9}}}); }); },
       [](House& h, int) {
         h.database.write_now([](db::Tx& tx) { tasks::give_back(tx, *tasks::store::find(tx, "the-task", ""), kNow, kNow); });
       },
       "SELECT COUNT(*) FROM fg_task WHERE owner IS NULL AND account_id IS NULL", 1},
      {"take over what a dead node left", [](House& h) { task_in(h, TaskState::running); },
       [](House& h, int i) {
         h.database.write_now([i](db::Tx& tx) {
           tasks::store::renew_lease(tx, id_for(i), 10'000, kNow);
           tasks::store::take_over(tx, id_for(i), kNow, 10);
         });
       },
       "SELECT fence FROM fg_task", 2},
      moves("begin to submit", TaskState::queued, {.to = TaskState::submitting}, "submitting"),
      moves("be accepted", TaskState::submitting, {.to = TaskState::running}, "running"),
      moves("lose the answer", TaskState::submitting, {.to = TaskState::unknown}, "unknown"),
      moves("go back to the line", TaskState::submitting, {.to = TaskState::queued, .not_before = kNow, .count_try = true}, "queued"),
      moves("have a result", TaskState::running, {.to = TaskState::storing, .result = json::value(json::object{})}, "storing"),
      moves("succeed and be charged", TaskState::storing, {.to = TaskState::succeeded, .captured = Credits::whole(5)}, "succeeded"),
      moves("succeed in part", TaskState::storing, {.to = TaskState::succeeded, .captured = Credits::whole(2)}, "succeeded"),
      moves("fail and be given back", TaskState::running, {.to = TaskState::failed, .error_code = "model"}, "failed"),
      moves("be cancelled upstream", TaskState::running, {.to = TaskState::cancelled, .error_code = "cancelled"}, "cancelled"),
      {"record attempts", [](House& h) { task_in(h, TaskState::submitting); },
       [](House& h, int i) {
         h.database.write_now([i](db::Tx& tx) {
           tasks::store::insert_attempt(tx, {id_for(i), "the-task", i, "a", {}, kNow});
           tasks::store::accept_attempt(tx, id_for(i), {{"id", i}}, kNow);
           tasks::store::finish_attempt(tx, id_for(i), "done", kNow);
         });
       },
       "SELECT COUNT(*) FROM fg_task_attempt WHERE outcome = 'done'", 64},
      {"keep files", [](House& h) { task_in(h, TaskState::storing); },
       [](House& h, int i) {
         h.database.write_now([&h, i](db::Tx& tx) { deliver(h, tx, id_for(i), i); });
       },
       "SELECT COUNT(*) FROM fg_task_file f JOIN generated_files g ON g.id = f.file_id", 64},
      {"learn durations", {}, [](House& h, int) { h.database.write_now([](db::Tx& tx) { tasks::add_durations(tx, "m", "1", {1'000}, kNow); }); },
       "SELECT samples FROM fg_model_stat", 64},
      {"renew a lease", {}, [](House& h, int) { h.database.write_now([](db::Tx& tx) { tasks::store::renew_lease(tx, "one", 10'000, kNow); }); },
       "SELECT COUNT(*) FROM fg_node", 1},
      {"grant", {}, [](House& h, int) {
         h.database.write_now([](db::Tx& tx) { return credits::grant(tx, "ann", Credits::whole(1), "admin", "", credits::make_stamp(kNow)); });
       },
       "SELECT balance FROM fg_credit_account WHERE user_id = 'ann'", 1'064'000},
      {"take away no more than there is", {}, [](House& h, int) {
         h.database.write_now([](db::Tx& tx) { return credits::grant(tx, "ann", -Credits::whole(100), "admin", "", credits::make_stamp(kNow)); });
       },
       "SELECT balance FROM fg_credit_account WHERE user_id = 'ann'", 0},
      {"set the credits", {}, [](House& h, int) {
         h.database.write_now([](db::Tx& tx) { return credits::set_available(tx, "ann", Credits::whole(7), "admin", "", credits::make_stamp(kNow)); });
       },
       "SELECT balance FROM fg_credit_account WHERE user_id = 'ann'", 7'000},
      {"open an account", {}, [](House& h, int) {
         h.database.write_now([](db::Tx& tx) { credits::open_account(tx, "new", Credits::whole(3), credits::make_stamp(kNow)); });
       },
       "SELECT COUNT(*) FROM fg_credit_entry WHERE user_id = 'new'", 1},
      {"append events", {}, [](House& h, int) { h.database.write_now([](db::Tx& tx) { notify::append(tx, "ann", "x", nullptr, kNow); }); },
       "SELECT MAX(seq) FROM fg_event WHERE user_id = 'ann'", 64},
      {"prune events", [](House& h) {
         h.database.write_now([](db::Tx& tx) { for (int i = 0; i < 10; ++i) notify::append(tx, "ann", "x", nullptr, kNow); });
       },
       [](House& h, int) { h.database.write_now([](db::Tx& tx) { notify::prune(tx, kNow + 1, 4); }); },
       "SELECT COUNT(*) FROM fg_event", 0},
      {"raise an alert", {}, [](House& h, int i) {
         h.database.write_now([i](db::Tx& tx) { notify::raise(tx, id_for(i), "kind", "subject", {"a", "b"}, kNow); });
       },
       "SELECT COUNT(*) FROM fg_alert", 1},
      {"save an upstream account", {}, [](House& h, int i) {
         h.database.write_now([&h, i](db::Tx& tx) {
           tasks::UpstreamAccount account;
           account.account = {"c", "flux", "http://127.0.0.1:9", "k" + std::to_string(i), {}};
           h.accounts.save(tx, account, kNow);
         });
       },
       "SELECT rev FROM fg_upstream_account WHERE id = 'c'", 64},
      {"take an account out", {}, [](House& h, int i) {
         h.database.write_now([&h, i](db::Tx& tx) { h.accounts.take_out(tx, "a", "why", id_for(i), kNow); });
       },
       "SELECT rev FROM fg_upstream_account WHERE id = 'a'", 2},
      {"save the scheduling once per revision", {}, [](House& h, int) {
         h.database.write_now([](db::Tx& tx) { tasks::save_scheduling(tx, {}, kNow); });
       },
       "SELECT COUNT(*) FROM fg_setting WHERE key = 'scheduling' AND value LIKE '%\"rev\":1%'", 1},
      {"sign up with one address", {}, [](House& h, int) {
         static_cast<void>(h.run(h.identity->sign_up({"N", "n@example.org", "correct horse battery", ""})));
       },
       "SELECT COUNT(*) FROM \"user\" WHERE email = 'n@example.org'", 1},
      {"make access keys", {}, [](House& h, int i) { static_cast<void>(h.run(h.identity->create_key("ann", id_for(i), std::nullopt))); },
       "SELECT COUNT(*) FROM fg_access_key WHERE user_id = 'ann'", 20},
      {"change settings", {}, [](House& h, int i) {
         static_cast<void>(h.run(h.identity->set_admin_config({{"RESPONSE_WATERMARK", id_for(i)}})));
       },
       "SELECT COUNT(*) FROM config", 1},
  };
  return all;
}

}  // namespace fluxgate::closures

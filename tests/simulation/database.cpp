#include "database.h"

#include <fmt/format.h>

#include "db/outcome_unknown.h"
#include "db/write_group.h"

namespace fluxgate::simulation {

void SimDatabase::open() {
  connection_.reset();
  connection_ = std::make_unique<db::SqliteConnection>(disk_ == nullptr ? ":memory:" : "/sim.db",
                                                       db::SqliteConnection::Mode::read_write);
  db::Tx& tx = *connection_;
  for (const char* pragma : {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
                             "PRAGMA wal_autocheckpoint = 40"})
    tx.each(pragma, {}, [](const db::Row&) {});
  sqlite3_commit_hook(
      connection_->handle(),
      [](void* self) -> int {
        auto& database = *static_cast<SimDatabase*>(self);
        if (database.fail_commit()) return 1;  // as a full disk does
        ++database.commits;
        return 0;
      },
      this);
}

namespace {

// Says whose closure runs, to the trigger that watches over owners. What became of it may not be heard.
class OfNode final : public db::Job {
 public:
  OfNode(std::string node, std::shared_ptr<db::Job> job, std::string& at_work, const std::function<bool()>& fail_to_tell)
      : node_(std::move(node)), job_(std::move(job)), at_work_(at_work), fail_to_tell_(fail_to_tell) {}

 private:
  bool do_run(db::Tx& tx) override {
    at_work_ = node_;
    return job_->run(tx);
  }
  void do_finish(std::exception_ptr error) override {
    if (!error && fail_to_tell_()) error = std::make_exception_ptr(db::OutcomeUnknown());
    job_->finish(error);
  }

  const std::string node_;
  const std::shared_ptr<db::Job> job_;
  std::string& at_work_;
  const std::function<bool()>& fail_to_tell_;
};

}  // namespace

// A task that has an owner is moved on by that owner alone; only before anything was sent a cancel may come from
// anywhere. It is taken from it only when its lease is over.
void SimDatabase::watch_owners() {
  sqlite3_create_function(
      connection_->handle(), "sim_moves", 2, SQLITE_UTF8, this,
      [](sqlite3_context* context, int, sqlite3_value** values) {
        auto& database = *static_cast<SimDatabase*>(sqlite3_user_data(context));
        const std::string owner(reinterpret_cast<const char*>(sqlite3_value_text(values[0])));
        if (std::string_view(reinterpret_cast<const char*>(sqlite3_value_text(values[1]))) == "submitting")
          database.about_to_pay.insert(owner);
        if (!database.at_work_.empty() && owner != database.at_work_)
          database.trespass = fmt::format("a task is moved by its owner alone: {} moved a task of {}", database.at_work_, owner);
      },
      nullptr, nullptr);
  sqlite3_create_function(
      connection_->handle(), "sim_takes", 2, SQLITE_UTF8, this,
      [](sqlite3_context* context, int, sqlite3_value** values) {
        auto& database = *static_cast<SimDatabase*>(sqlite3_user_data(context));
        if (sqlite3_value_int64(values[1]) > database.clock_.now_ms())
          database.trespass = fmt::format("a task is taken only from a node whose lease is over: {} took one of {}", database.at_work_,
                                          reinterpret_cast<const char*>(sqlite3_value_text(values[0])));
      },
      nullptr, nullptr);
  db::Tx& tx = *connection_;
  tx.exec("CREATE TEMP TRIGGER IF NOT EXISTS sim_taken AFTER UPDATE OF owner ON main.fg_task WHEN OLD.owner IS NOT NULL "
          "AND NEW.owner <> OLD.owner BEGIN SELECT sim_takes(OLD.owner, (SELECT MAX(lease_until) FROM main.fg_node WHERE id = OLD.owner)); END");
  tx.exec("CREATE TEMP TRIGGER IF NOT EXISTS sim_owner AFTER UPDATE OF status ON main.fg_task WHEN OLD.owner IS NOT NULL "
          "AND (NEW.status <> 'cancelled' OR OLD.status <> 'queued') AND NEW.rev = OLD.rev + 1 "
          "BEGIN SELECT sim_moves(OLD.owner, NEW.status); END");
}

void SimDatabase::enqueue_write(std::shared_ptr<db::Job> job) {
  if (dead_.contains(node_)) return job->finish(std::make_exception_ptr(db::Failure("the process is dead")));
  if (!node_.empty()) return waiting_.emplace_back(node_, std::make_shared<OfNode>(node_, std::move(job), at_work_, fail_to_tell)), void();
  at_work_.clear();
  db::run_group(*connection_, [&job] { return std::exchange(job, nullptr); });
}

void SimDatabase::run_waiting(std::mt19937_64& random) {
  while (!waiting_.empty()) {
    std::size_t room = 1 + random() % 8;
    db::run_group(*connection_, [&]() -> std::shared_ptr<db::Job> {
      if (waiting_.empty() || room == 0) return nullptr;
      --room;
      auto job = std::move(waiting_.front().second);
      waiting_.pop_front();
      return job;
    });
  }
}

void SimDatabase::forget(const std::string& node) {
  dead_.insert(node);
  for (const auto& [whose, job] : waiting_)
    if (whose == node) job->finish(std::make_exception_ptr(db::Failure("the process is dead")));
  std::erase_if(waiting_, [&](const auto& one) { return one.first == node; });
}

}  // namespace fluxgate::simulation

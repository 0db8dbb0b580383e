// What `fluxgate db verify` finds: every kind of damage, each alone in a database that was in order before.
#include "tasks/audit.h"

#include <gtest/gtest.h>

#include "base/crypto.h"
#include "credits/ledger.h"
#include "db/schema.h"
#include "files/rows.h"
#include "notify/events.h"
#include "tasks/order.h"
#include "tasks/queue.h"
#include "tasks/task_store.h"

namespace fluxgate::tasks {
namespace {

constexpr Millis kNow = 1'000'000;

Task task_of(const std::string& id) {
  Task task;
  task.id = id;
  task.user_id = "ann";
  task.provider = "flux";
  task.endpoint = "text_to_image";
  task.model = "m";
  task.batch_id = "batch";
  task.quote = Credits::whole(5);
  task.created_at = kNow;
  return task;
}

// Submitted, claimed and brought through every state to a success with one file.
void finish(db::Tx& tx, Task task) {
  const TaskState way[] = {TaskState::submitting, TaskState::running, TaskState::storing, TaskState::succeeded};
  for (TaskState to : way) {
    store::Move move{.to = to, .now = kNow};
    move.stamp = credits::make_stamp(kNow);
    if (to == TaskState::succeeded) move.captured = task.quote;
    ASSERT_TRUE(store::move(tx, task, move));
  }
  store::insert_file(tx, task.id, {.file_id = "file", .mime = "image/png", .sha256 = "x"});
  files::insert_row(tx, {.id = "file", .user_id = "ann", .filename = "a.png", .source_type = "flux", .source_task_id = task.id, .created_at = kNow},
                    {.key = "k", .sha256 = "x", .size = 7, .mime = "image/png"});
}

// One user, a batch of a task that succeeded ("done") and one that waits ("waits"), and a key for it.
std::unique_ptr<db::Database> in_order() {
  crypto::initialise();
  auto database = db::open(":memory:");
  database->write_now([](db::Tx& tx) {
    db::create_missing(tx, kNow);
    credits::open_account(tx, "ann", Credits::whole(100), credits::make_stamp(kNow));
    tx.exec("INSERT INTO fg_batch (id, user_id, provider, endpoint, total, created_at) VALUES ('batch', 'ann', 'flux', 'text_to_image', 2, 1)");
    for (const char* id : {"done", "waits"}) {
      const auto held = credits::hold(tx, "ann", id, Credits::whole(5), credits::make_stamp(kNow));
      ASSERT_TRUE(held);
      store::insert(tx, task_of(id), *held);
    }
    keep_key(tx, {"ann", "batch", "key", "x"}, "batch", kNow);
    const auto claimed = claim(tx, {"flux", "node", kNow, 1, {{"a", 1, 9}}});
    ASSERT_EQ(claimed.size(), 1u);
    finish(tx, claimed.front());
  });
  return database;
}

std::vector<std::string> findings_in(db::Database& database) {
  return database.read_now([](db::Tx& tx) { return audit(tx); });
}

struct Damage {
  const char* sql;
  const char* found;  // stands in one of the findings
};
constexpr Damage kDamages[] = {
    {"UPDATE fg_credit_account SET balance = balance + 1", "balance is not the sum of its entries"},
    {"UPDATE fg_credit_account SET held = held + 1", "held amount is not the sum of open holds"},
    {"UPDATE fg_credit_account SET balance = -1", "held or available amount is negative"},
    {"DELETE FROM fg_credit_entry WHERE task_id = 'waits'", "task has no hold of its quote"},
    {"DELETE FROM fg_credit_entry WHERE task_id = 'done' AND kind = 'capture'", "task has ended and still holds credits"},
    {"DELETE FROM fg_credit_entry WHERE task_id = 'done' AND kind = 'capture'", "task succeeded and was not captured exactly once"},
    {"UPDATE fg_task SET charged = 4000 WHERE id = 'done'", "task's charge is not what was captured"},
    {"DELETE FROM fg_task WHERE id = 'waits'", "entry names a task that does not exist"},
    {"UPDATE fg_task SET charged = 1 WHERE id = 'waits'", "task is charged and did not succeed"},
    {"UPDATE fg_task SET charged = 6000 WHERE id = 'done'", "task is charged more than its price"},
    {"UPDATE fg_task SET owner = 'node' WHERE id = 'done'", "task has ended and still has an owner"},
    {"UPDATE fg_task SET completed_at = NULL WHERE id = 'done'", "task has a time of completion and has not ended"},
    {"UPDATE fg_task SET resubmits = 2 WHERE id = 'waits'", "task was sent again more than once"},
    {"DELETE FROM fg_task_file", "task succeeded without a file"},
    {"DELETE FROM fg_task_file", "result is not among the files of its task"},
    {"DELETE FROM generated_files", "delivered file has no row"},
    {"UPDATE fg_task SET status = 'failed' WHERE id = 'done'", "delivered file belongs to no task that succeeded"},
    {"UPDATE fg_user_counter SET n = n + 1 WHERE status = 'queued'", "counter is not the number of tasks"},
    {"DELETE FROM fg_user_counter WHERE status = 'queued'", "tasks are counted by no counter"},
    {"UPDATE fg_batch SET ended_at = 1", "batch has ended before its tasks"},
    {"UPDATE fg_task SET status = 'failed' WHERE id = 'waits'", "batch has ended before its tasks, or not with them"},
    {"UPDATE fg_batch SET total = 1", "batch has more tasks than were submitted"},
    {"UPDATE fg_user SET event_seq = event_seq - 1", "event has a number that was not given yet"},
    {"UPDATE fg_file_object SET refs = 2", "object on the disk is not referred to by as many files as it counts"},
    {"UPDATE fg_file_object SET place = 'gone', cloud_path = 'k'", "object in a store is not referred to by as many files as it counts"},
    {"UPDATE fg_file_object SET place = 'gone'", "object lies in a store that is not known"},
    {"DELETE FROM fg_file_object", "file has no object on the disk"},
    {"UPDATE generated_files SET local_path = NULL, cloud_path = 'k'", "file has no object in a store"},
    {"UPDATE generated_files SET local_path = NULL", "file is nowhere"},
    {"UPDATE fg_file_usage SET bytes = 8 WHERE source_type = ''", "bytes of a user are not the sum of the files"},
    {"UPDATE fg_file_usage SET files = 2 WHERE source_type = ''", "files of a user are not counted right"},
    {"UPDATE fg_file_usage SET bytes = 8 WHERE source_type <> ''", "bytes of a user are not the sum of their kinds"},
    {"UPDATE fg_idempotency SET task_id = 'none'", "Idempotency-Key stands for what does not exist"},
};

TEST(Audit, FindsNothingWhereNothingIsWrong) { EXPECT_EQ(findings_in(*in_order()), std::vector<std::string>{}); }

TEST(Audit, FindsEveryKindOfDamage) {
  for (const Damage& damage : kDamages) {
    const auto database = in_order();
    database->write_now([&](db::Tx& tx) { EXPECT_GT(tx.exec(damage.sql), 0) << damage.sql; });
    const auto found = findings_in(*database);
    EXPECT_TRUE(std::ranges::any_of(found, [&](const auto& finding) { return finding.find(damage.found) != std::string::npos; }))
        << damage.sql << ": " << damage.found << " is not among " << found.size() << " findings";
  }
}

// An index keeps this from happening; the audit does not rely on it.
TEST(Audit, FindsAnEntryThatStandsTwice) {
  const auto database = in_order();
  database->write_now([](db::Tx& tx) {
    std::vector<std::string> indexes = tx.all("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'fg_credit_entry' AND sql IS NOT NULL",
                                              {}, [](const db::Row& row) { return row.str(0); });
    for (const std::string& index : indexes) tx.exec("DROP INDEX " + index);
    tx.exec("INSERT INTO fg_credit_entry SELECT 'again', user_id, kind, amount, balance_after, held_after, task_id, actor_id, reason, created_at "
            "FROM fg_credit_entry WHERE kind = 'capture'");
  });
  const auto found = findings_in(*database);
  EXPECT_TRUE(std::ranges::any_of(found, [](const auto& finding) { return finding.find("two entries of one kind") != std::string::npos; }));
}

}  // namespace
}  // namespace fluxgate::tasks

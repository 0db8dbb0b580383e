// What the disk and SQLite allow: writes the rows of a submit, with the product's schema, indexes and
// pragmas, 64 submits a commit, and nothing else. Prints submits per second.
// bench_bare_submits FILE SECONDS
#include <chrono>
#include <cstdlib>

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/crypto.h"
#include "base/ids.h"
#include "db/schema.h"

namespace {

using namespace fluxgate;

constexpr int kUsers = 1'000;
constexpr int kGroup = 64;
constexpr char kEvent[] =
    R"({"id":"019ab2c3-0000-7000-8000-000000000000","provider":"flux","model":"fal-ai/flux-1/schnell","rev":1,"state":"queued","quote":5.0,"charged":0.0,"credits_balance":999.0,"credits_held":5.0})";
constexpr char kParams[] =
    R"({"prompt":"a lighthouse at dawn","image_size":"landscape_4_3","num_inference_steps":4,"num_images":1,"enable_safety_checker":true,"output_format":"jpeg","acceleration":"regular","guidance_scale":3.5})";

class Bare {
 public:
  explicit Bare(const char* file) {
    sqlite3_open(file, &connection_);
    for (const char* sql : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA cache_size = -8192"})
      sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr);
    hold_ = prepare("UPDATE fg_credit_account SET held = held + 5000, updated_at = ?2 WHERE user_id = ?1 AND balance - held >= 5000");
    entry_ = prepare("INSERT INTO fg_credit_entry (id, user_id, kind, amount, balance_after, held_after, task_id, created_at) "
                     "VALUES (?2, ?1, 'hold', 5000, 1000000, 5000, ?3, ?4)");
    task_ = prepare("INSERT INTO fg_task (id, user_id, provider, endpoint, model, status, prompt, params, images, quote, quote_rev, "
                    "created_at, updated_at) VALUES (?2, ?1, 'flux', 'text_to_image', 'fal-ai/flux-1/schnell', 'queued', "
                    "'a lighthouse at dawn', ?3, 1, 5000, 1, ?4, ?4)");
    counter_ = prepare("INSERT INTO fg_user_counter (user_id, provider, status, n) VALUES (?1, 'flux', 'queued', 1) "
                       "ON CONFLICT (user_id, provider, status) DO UPDATE SET n = n + 1");
    number_ = prepare("INSERT INTO fg_user (user_id, event_seq, created_at) VALUES (?1, 1, ?2) "
                      "ON CONFLICT (user_id) DO UPDATE SET event_seq = event_seq + 1 RETURNING event_seq");
    event_ = prepare("INSERT INTO fg_event (user_id, seq, type, data, created_at) VALUES (?1, ?2, 'task.updated', ?3, ?4)");
  }

  void run(const char* sql) { sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr); }

  void open_account(const std::string& user) {
    run(fmt::format("INSERT INTO fg_credit_account (user_id, balance, held, created_at, updated_at) VALUES ('{}', 1000000000000, 0, 1, 1)", user).c_str());
  }

  void submit(const std::string& user, Millis now) {
    std::string task = new_id(now), entry = new_id(now);
    text(hold_, 1, user), number(hold_, 2, now), step(hold_);
    text(entry_, 1, user), text(entry_, 2, entry), text(entry_, 3, task), number(entry_, 4, now), step(entry_);
    text(task_, 1, user), text(task_, 2, task), text(task_, 3, kParams), number(task_, 4, now), step(task_);
    text(counter_, 1, user), step(counter_);
    text(number_, 1, user), number(number_, 2, now);
    std::int64_t seq = step(number_);
    text(event_, 1, user), number(event_, 2, seq), text(event_, 3, kEvent), number(event_, 4, now), step(event_);
  }

 private:
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(connection_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
      fmt::print(stderr, "{}: {}\n", sqlite3_errmsg(connection_), sql);
      std::exit(1);
    }
    return statement;
  }
  static void text(sqlite3_stmt* statement, int position, std::string_view value) {
    sqlite3_bind_text(statement, position, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
  }
  static void number(sqlite3_stmt* statement, int position, std::int64_t value) { sqlite3_bind_int64(statement, position, value); }
  std::int64_t step(sqlite3_stmt* statement) {
    std::int64_t first = 0;
    int code = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) first = sqlite3_column_int64(statement, 0);
    if (code != SQLITE_DONE) {
      fmt::print(stderr, "{}\n", sqlite3_errmsg(connection_));
      std::exit(1);
    }
    sqlite3_reset(statement);
    return first;
  }

  sqlite3* connection_ = nullptr;
  sqlite3_stmt *hold_, *entry_, *task_, *counter_, *number_, *event_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return fmt::print(stderr, "usage: bench_bare_submits FILE SECONDS\n"), 1;
  crypto::initialise();
  {
    auto database = db::open(std::string("sqlite:///") + argv[1]);
    database->write_now([](db::Tx& tx) { db::create_missing(tx, 1); });
  }
  Bare bare(argv[1]);
  std::vector<std::string> users;
  bare.run("BEGIN IMMEDIATE");
  for (int i = 0; i < kUsers; ++i) bare.open_account(users.emplace_back(new_id()));
  bare.run("COMMIT");

  auto started = std::chrono::steady_clock::now();
  auto limit = std::chrono::seconds(std::atoi(argv[2]));
  std::int64_t done = 0;
  while (std::chrono::steady_clock::now() - started < limit) {
    Millis now = system_clock().now_ms();
    bare.run("BEGIN IMMEDIATE");
    for (int i = 0; i < kGroup; ++i, ++done) bare.submit(users[static_cast<std::size_t>(done % kUsers)], now);
    bare.run("COMMIT");
  }
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  fmt::print("{:.0f}\n", static_cast<double>(done) / took.count());
}

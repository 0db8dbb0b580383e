// Taking over the database of the Python fork or of plain Open WebUI: what was there becomes rows of ours, the
// old tables stay as <name>_legacy (DESIGN §5.3; spec/seed-db.md). `db repair` (db/repair.h) calls this, in one
// transaction and in this order:
//
//   set_aside   renames the old tables whose names our views or tables take
//   (repair)    creates our tables, adds the columns of Open WebUI's own release that are missing
//   carry_over  reads the *_legacy tables and writes ours, then checks counts and sums
//   (repair)    creates the published views, checks the whole, commits
//
// What was taken for tasks that were lost may be given back then, or by any later repair (`owed`, `give_back`).
//
// `needed`, `plan` and `owed` only read and work on a read-only connection; `set_aside` and `carry_over` throw Failure
// when something does not add up, and the whole repair is rolled back. On SQLite `secure_delete` is on and repair
// runs VACUUM after COMMIT, so blanked secrets are gone from the file too. On PostgreSQL statement_timeout is off.
// All of it runs on one thread and may run again from the start (the contract of a closure, db/database.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/text.h"
#include "db/database.h"

namespace fluxgate::db::adopt {

// Bytes that became a file of the store (files/blob_store.h says what a key is).
struct KeptFile {
  std::string key, sha256, mime;
  std::uint64_t size = 0;
};

struct Options {
  Millis now = 0;
  const crypto::Sealer* sealer = nullptr;  // set for carry_over; while planning it may be null
  std::string data_dir;                    // the old installation's files lie there, too
  bool give_back = false;                  // credits of unfinished old tasks that cannot be resumed
  std::vector<std::string> flux_models;    // that the catalogue serves; prices of others are left out; empty = keep all
  // Puts bytes into the store; nullopt when they are no picture, film or sound. Throws Failure when the disk refuses.
  // Empty: what stands in base64 stays in the old tables only.
  std::function<std::optional<KeptFile>(std::string_view bytes)> keep;
  std::function<void(Tx&)> then;           // runs at the end of carry_over: what folders above db/ make of the rows
};

enum class Level { info, warning, error };

// One sentence of the plan or of the report, about one table ("" = the database).
struct Line {
  std::string table;
  Text text;
  Level level = Level::info;
  std::int64_t rows_in = 0, rows_out = 0;  // read and written, where rows are meant
};
using Lines = std::vector<Line>;

// The fork's own tables, all of which are set aside.
std::span<const std::string_view> fork_tables();
// Whether something is still to be taken over.
bool needed(Tx& tx);
// What set_aside and carry_over would do, and what the operator has to know; empty when nothing is needed. A line
// of level error means that it would not be done: repair stops before it changes anything.
Lines plan(Tx& tx, const Options& options);
// What was taken for lost tasks and not given back yet; only of a database that was taken over.
struct Owed {
  std::int64_t tasks = 0, amount = 0;  // thousandths
};
Owed owed(Tx& tx);
Lines give_back(Tx& tx, Millis now);

void set_aside(Tx& tx, const Options& options);
Lines carry_over(Tx& tx, const Options& options);

}  // namespace fluxgate::db::adopt

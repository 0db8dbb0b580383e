// The database as something to look after, not to serve from: looking without touching, backups, one big change,
// putting a backup back. For `fluxgate db …` and for the start of a server. One thread; blocking.
//
// Everything throws CareFailure with a sentence in both languages that says what to do. After a failure the database
// is what it was, on SQLite byte for byte, unless the sentence says that a write is still to be undone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "db/database.h"

namespace fluxgate::db {

class CareFailure : public Failure {
 public:
  explicit CareFailure(Text text) : Failure(text.en), text_(std::move(text)) {}
  const Text& text() const { return text_; }

 private:
  Text text_;
};

struct Backup {
  std::string place;  // a file, or on PostgreSQL a schema
  std::int64_t tables = 0;
  std::int64_t left_out = 0;  // tables of the schema that are not Fluxgate's; PostgreSQL
};

struct Restored {
  std::string aside;  // where what was there until now is kept: a file, or a schema; "" = nothing was there
  std::vector<std::string> left_behind;  // PostgreSQL: views of others that read what is kept there, not what was put back
};

class Care {
 public:
  virtual ~Care() = default;
  virtual Dialect dialect() const = 0;
  // "/data/webui.db", "host:5432/name"; never a password.
  virtual std::string described() const = 0;
  // False: there is no file yet, or it is empty. A PostgreSQL database always exists.
  virtual bool exists() = 0;

  // A snapshot; changes no byte of the database. A file that a crash left in the middle of a write is read from a copy
  // on which SQLite has undone the write; where the disk has no room for that, SQLite undoes it in the file.
  virtual void read(const std::function<void(Tx&)>& closure) = 0;
  // What the operator should hear of how it was found, after it was read.
  virtual std::optional<Text> remark() const { return std::nullopt; }
  // Reads all of it: not a database, truncated, corrupt.
  virtual void examine() = 0;
  // Whether every row is in every index: a query by an index that lacks some would lose them without a word. Takes long
  // (SQLite; a server answers for its indexes).
  virtual void examine_indexes() = 0;
  // Waits until nobody else repairs this database, and keeps others waiting as long as this object lives. True when it
  // waited: what was read is to be read again. On SQLite `change` refuses instead. Throws where nothing can be written.
  virtual bool take_turn() { return false; }
  // One transaction. On SQLite no server may run; the journal stays as it is, and what is deleted is overwritten.
  virtual void change(const std::function<void(Tx&)>& closure) = 0;
  // The same after a backup (see below), made when nobody else can write any more and gone again when nothing was
  // changed. On PostgreSQL of the tables named (of this schema; others are ignored), and before the first repair of all
  // that Fluxgate uses, too.
  virtual Backup change_after_backup(const std::string& folder, Millis now, const std::vector<std::string>& tables,
                                     const std::function<void(Tx&)>& closure) = 0;
  // Empties what was deleted out of the file. After `change`.
  virtual void scrub() = 0;

  // A consistent copy, also beside a running server. SQLite: all of it, as folder/<name>-<time>.db with mode 0600.
  // PostgreSQL: the tables that Fluxgate uses, as a schema fluxgate_backup_<time>.
  virtual Backup backup(const std::string& folder, Millis now) = 0;
  // Puts a backup back. No server may run.
  virtual Restored restore(const std::string& backup, Millis now) = 0;
};

// `url`: as db::open takes it, but for ":memory:". Connects on first use.
std::unique_ptr<Care> care_for(const std::string& url);

// What a failure means and what to do, in both languages, as far as that is known.
Text told(const Failure& failure);

// "20261126-112530", in UTC.
std::string stamp(Millis now);

}  // namespace fluxgate::db

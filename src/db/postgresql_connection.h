// One PostgreSQL session with its prepared statements. Used by one thread at a time.
//
// A statement that fails spoils its transaction for good, whatever the closure makes of the exception:
// `raise_failure` brings it up again before anything is committed.
//
// Nothing waits for ever: the server ends a statement at its limit, and a server that stands still (stopped,
// unplugged) is given up a little later by this side.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include <libpq-fe.h>

#include "db/database.h"
#include "db/postgresql_target.h"
#include "db/postgresql_values.h"

namespace fluxgate::db {

// What went wrong, as the retries need to know it.
class PgFailure : public Failure {
 public:
  enum class Kind {
    lost,      // the session is gone, or its server takes no writes any more; another one may do
    conflict,  // the transaction lost against others (deadlock, a lock that took too long): nothing of it stands
    refused,   // the statement itself; again it would fail again
  };
  PgFailure(Kind kind, const std::string& message, std::string sqlstate = "")
      : Failure(message), kind_(kind), sqlstate_(std::move(sqlstate)) {}
  Kind kind() const { return kind_; }
  const std::string& sqlstate() const { return sqlstate_; }

 private:
  Kind kind_;
  std::string sqlstate_;
};

struct PgSession {
  std::chrono::milliseconds statement_limit{0};  // 0 = none
  std::chrono::milliseconds lock_limit{0};
  // A transaction that stands still is ended by the server, so that a frozen process (SIGSTOP, a paused machine)
  // does not keep others from what it has locked. 0 = never.
  std::chrono::milliseconds idle_limit{0};
  // How long after its own limit the server is taken for dead.
  std::chrono::milliseconds grace{5'000};
};

// Of a pooler that gives each transaction another session, which takes from us prepared statements, limits and news.
Failure sessions_not_kept(const PostgresTarget& target);

// Whether no server answers, or one that takes no sessions yet: as opposed to one that refuses ours.
bool may_be_starting(const PostgresTarget& target);

class PgConnection final : public Tx {
 public:
  // Connects to a server that `target` names. Throws PgFailure (lost), never with the password.
  PgConnection(const PostgresTarget& target, const PgSession& session);

  Dialect dialect() const override { return Dialect::postgresql; }
  PGconn* handle() { return connection_.get(); }
  bool alive() const { return !given_up_ && PQstatus(connection_.get()) == CONNECTION_OK; }
  // Tells one life of a server from the next: while it stays the same, no transaction number was given out twice.
  const std::string& incarnation() const { return incarnation_; }
  // The server's process for the session. A pooler tells its clients another number than the server does.
  int backend() const { return backend_; }
  bool pooled() const { return backend_ != PQbackendPID(connection_.get()); }

  // Statements without parameters, divided by ";": BEGIN, SET. Not for use inside closures.
  void command(const char* sql);
  // A transaction that reads one snapshot. It begins with its first statement: one that asks nothing costs nothing.
  void begin_read();
  void end_read();
  // Begins a transaction that may write; its number.
  std::string begin_write();
  // Throws what the first statement that failed in this transaction threw.
  void raise_failure() const;
  // Throws PgFailure; when that is `lost`, nobody knows yet whether it was done.
  void commit();
  // What became of a transaction of another session.
  enum class Fate { committed, none, under_way, forgotten };
  Fate fate_of(const std::string& transaction);
  // Ends an open transaction if the session still stands; never throws.
  void rollback() noexcept;

 private:
  struct ConnectionDeleter {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  struct ResultDeleter {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;

  std::int64_t do_exec(std::string_view sql, std::span<const Param> params) override;
  void do_query(std::string_view sql, std::span<const Param> params,
                const std::function<void(const Row&)>& on_row) override;
  ResultPtr run(std::string_view sql, std::span<const Param> params);
  const std::string& prepared(std::string_view sql, const PgValues& values);
  Deadline deadline() const;
  // The result of what was just sent (`sent`: as libpq's PQsend… answered).
  ResultPtr answer(int sent, std::string_view sql, Deadline until);
  void wait_for(short events, Deadline until);
  void check(const PGresult* result, std::string_view sql);
  [[noreturn]] void fail(PgFailure failure);

  std::unique_ptr<PGconn, ConnectionDeleter> connection_;
  const PgSession session_;
  std::string incarnation_;
  int backend_ = 0;
  std::unordered_map<std::string, std::string> statements_;  // types and SQL → name
  std::uint64_t statements_made_ = 0;
  bool given_up_ = false;
  bool writes_ = false;                // this transaction may
  bool read_waits_ = false;            // for its first statement
  bool unhurried_ = false;             // it changes tables, which takes the time it takes
  std::optional<PgFailure> failure_;   // the first in it
};

}  // namespace fluxgate::db

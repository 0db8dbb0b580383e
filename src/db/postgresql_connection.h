// One PostgreSQL session with its prepared statements. Used by one thread at a time.
//
// A statement that fails spoils its transaction for good, whatever the closure makes of the exception:
// `raise_failure` brings it up again before anything is committed.
//
// Nothing waits for ever: the server ends a statement at its limit, and a server that stands still (stopped, unplugged)
// is given up by this side when it has said nothing for a while and answers no new caller either.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include <libpq-fe.h>

#include "db/database.h"
#include "db/post.h"
#include "db/postgresql_pipeline.h"
#include "db/postgresql_target.h"

namespace fluxgate::db {

// What went wrong, as the retries need to know it.
class PgFailure : public Failure {
 public:
  enum class Kind {
    lost,      // the session is gone, or its server takes no writes any more; another one may do
    full,      // no session is to be had beside those there are; the server is well
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
  // After how long without a word the server is asked, as by a new caller, whether it is there; it has the URL's
  // connect_timeout to answer. 0 = never.
  std::chrono::milliseconds quiet{3'000};
};

// Of a pooler that gives each transaction another session, which takes from us prepared statements, limits and news.
Failure sessions_not_kept(const PostgresTarget& target);

// Whether no server answers, or one that takes no sessions yet: as opposed to one that refuses ours.
bool may_be_starting(const PostgresTarget& target);

class PgConnection final : public Tx, public Posting {
 public:
  // Connects to a server that `target` names. Throws PgFailure (lost, full), never with the password.
  PgConnection(const PostgresTarget& target, const PgSession& session);

  Dialect dialect() const override { return Dialect::postgresql; }
  PGconn* handle() { return connection_.get(); }
  bool alive() const { return !given_up_ && PQstatus(connection_.get()) == CONNECTION_OK; }
  // Tells one life of a server from the next: while it stays the same, no transaction number was given out twice.
  const std::string& incarnation() const { return incarnation_; }
  // The server's process for the session. A pooler tells its clients another number than the server does.
  int backend() const { return backend_; }
  bool pooled() const { return backend_ != PQbackendPID(connection_.get()); }

  void post(std::string_view sql, std::span<const Param> params) override { send(sql, params); }
  // One statement without parameters: SET, LISTEN. Not for use inside closures.
  void command(const char* sql);

  // Transactions begin with their first statement, in one journey with it: one that asks nothing costs nothing.
  // One that reads sees one snapshot.
  void begin_read();
  void end_read();
  void begin_write();
  // Throws what the first statement that failed in this transaction threw.
  void raise_failure() const;
  // With what was posted. Throws PgFailure; when that is `lost`, nobody knows yet whether it was done.
  void commit();
  // The number of the transaction that may write; known once a statement of it was answered, and before COMMIT is sent.
  const std::string& transaction() const { return line_->number(); }
  // What became of a transaction of another session.
  enum class Fate { committed, none, under_way, forgotten };
  Fate fate_of(const std::string& transaction);
  // Ends an open transaction if the session still stands, without waiting for it; never throws.
  void rollback() noexcept;

 private:
  struct ConnectionDeleter {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  using Handle = std::unique_ptr<PGconn, ConnectionDeleter>;
  enum class Stage { none, due, open };  // of the transaction; due: begins with its first statement

  void connect();
  void settle();
  std::int64_t do_exec(std::string_view sql, std::span<const Param> params) override;
  void do_query(std::string_view sql, std::span<const Param> params,
                const std::function<void(const Row&)>& on_row) override;
  void send(std::string_view sql, std::span<const Param> params);
  void send_begin();
  PgResult run(std::string_view sql, std::span<const Param> params);
  PgResult answer(PgPipeline::Limit limit);
  PgPipeline::Limit limit() const;
  bool server_answers() const;
  PgFailure failure_of(const PgPipeline::Trouble& trouble) const;

  const PostgresTarget target_;
  const PgSession session_;
  Handle connection_;
  std::unique_ptr<PgPipeline> line_;
  std::string incarnation_;
  int backend_ = 0;
  std::unordered_map<std::string, std::string> statements_;  // types and SQL → name
  std::uint64_t statements_made_ = 0;
  bool given_up_ = false;
  Stage stage_ = Stage::none;
  bool writes_ = false;                // this transaction may
  bool unhurried_ = false;             // it changes tables, which takes the time it takes
  std::optional<PgFailure> failure_;   // the first in it
};

}  // namespace fluxgate::db

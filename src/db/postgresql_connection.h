// One PostgreSQL connection with its prepared statements. Used by one thread at a time.
//
// Parameters are sent as text. Whole numbers are declared as bigint; texts and NULLs are left for the server to
// infer from where they stand, so one statement fits text, boolean and timestamp columns alike.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include <libpq-fe.h>

#include "db/database.h"

namespace fluxgate::db {

// What went wrong, as the retries need to know it.
class PgFailure : public Failure {
 public:
  PgFailure(const std::string& message, std::string sqlstate, bool connection_lost)
      : Failure(message), sqlstate_(std::move(sqlstate)), connection_lost_(connection_lost) {}
  bool connection_lost() const { return connection_lost_; }
  // The transaction lost against another one or against a failing-over server: nothing of it stands, and it may
  // be run again (PostgreSQL, appendix A: classes 40 and 57P; 55P03, a lock that took too long).
  bool transient() const;
  // The server takes no writes: a standby, or a primary that was demoted while we were connected.
  bool read_only_server() const { return sqlstate_ == "25006"; }

 private:
  std::string sqlstate_;
  bool connection_lost_;
};

class PgConnection final : public Tx {
 public:
  // Connects to the writable server among those that `url` names. Throws PgFailure without the password.
  explicit PgConnection(const std::string& url);

  Dialect dialect() const override { return Dialect::postgresql; }
  PGconn* handle() { return connection_.get(); }
  bool alive() const { return PQstatus(connection_.get()) == CONNECTION_OK; }
  // A statement without parameters or rows: BEGIN, COMMIT, SET.
  void command(const char* sql);
  // Ends an open transaction if the connection still stands; never throws.
  void rollback() noexcept;

 private:
  struct ConnectionDeleter {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  struct ResultDeleter {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;

  std::int64_t do_exec(std::string_view sql, std::span<const Param> params) override;
  void do_query(std::string_view sql, std::span<const Param> params,
                const std::function<void(const Row&)>& on_row) override;
  ResultPtr run(std::string_view sql, std::span<const Param> params);
  const std::string& prepared(std::string_view sql, std::span<const Param> params);
  void check(const PGresult* result, std::string_view sql);

  std::unique_ptr<PGconn, ConnectionDeleter> connection_;
  std::unordered_map<std::string, std::string> statements_;  // types and SQL → name
};

}  // namespace fluxgate::db

// Statements on their way to one PostgreSQL server and back (libpq's pipeline mode). Sending does not wait: what is sent
// goes along with the next thing that is asked for an answer, so that several statements make one journey. Those sent
// between two answers are run in order; the first that fails keeps the others from being run.
//
// Nothing waits for ever. Two things end a wait: a limit, and a server that says nothing for a while and then does not
// answer a new caller either: it stands still, or the way to it is cut. One that is merely slow does answer, and is waited for.
//
// Used by one thread at a time. The connection outlives it.
#pragma once

#include <chrono>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <libpq-fe.h>

#include "db/postgresql_values.h"

namespace fluxgate::db {

struct PgResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PgResult = std::unique_ptr<PGresult, PgResultDeleter>;

class PgPipeline {
 public:
  using Limit = std::optional<std::chrono::milliseconds>;  // for each statement; none = as long as the server is there
  // What a statement is to those who wait: looked at; sent ahead, and its first value kept; not looked at.
  enum class Role { statement, number, aside };
  struct Trouble {
    bool lost = false;             // the connection is; else the server's refusal of `sql`
    std::string state, message, sql;
  };

  // `quiet`: how long the server may say nothing before `answers` is asked whether it is there; 0 = it is never asked.
  PgPipeline(PGconn* connection, std::chrono::milliseconds quiet, std::function<bool()> answers);

  void send(std::string_view sql, const PgValues& values, Role role = Role::statement);
  void send(std::string_view sql, Role role = Role::statement) { send(sql, PgValues({}), role); }
  void prepare(const std::string& name, std::string_view sql, const PgValues& values);
  void send_prepared(const std::string& name, std::string_view sql, const PgValues& values);
  // Sends all and returns; what comes of it is looked at by the next answer(). For statements nobody waits for.
  void let_go();
  // Sends all and waits until all is answered; the result of the last statement.
  std::expected<PgResult, Trouble> answer(Limit limit);
  // The value of the last statement sent as Role::number.
  const std::string& number() const { return number_; }
  // The names of statements that were not prepared after all, since the last call.
  std::deque<std::string> take_unprepared() { return std::exchange(unprepared_, {}); }

 private:
  struct Sent {
    Role role = Role::statement;
    bool sync = false;
    std::string sql;
    std::string prepares;  // the name, of a statement that does
  };
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;

  void sent(int accepted, Sent what);
  void sync();
  // False when the time is over, or the server gone.
  bool wait_for(short events, Deadline until);
  bool flush(Limit limit);
  Trouble lost(std::optional<Trouble> word = {});
  void take(PgResult result, PgResult& last, std::optional<Trouble>& trouble);

  PGconn* connection_;
  const std::chrono::milliseconds quiet_;
  const std::function<bool()> answers_;
  bool refused_ = false;  // by libpq, to send
  std::string silence_;   // why a wait was given up
  std::deque<Sent> sent_;
  std::deque<std::string> unprepared_;
  std::string number_;
};

}  // namespace fluxgate::db

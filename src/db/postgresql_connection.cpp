#include "db/postgresql_connection.h"

#include <charconv>
#include <utility>

#include <poll.h>

#include <fmt/format.h>

namespace fluxgate::db {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kStartLimit{10'000};
// A COMMIT may have to wait for a standby; it must not be cut short, only given up.
constexpr milliseconds kCommitLimit{60'000};
// More distinct statements than the product has; beyond it something builds SQL from data.
constexpr std::size_t kMaxStatements = 512;

class PgRow final : public Row {
 public:
  PgRow(const PGresult* result, int row) : result_(result), row_(row) {}
  bool is_null(int column) const override { return PQgetisnull(result_, row_, column) != 0; }
  std::int64_t i64(int column) const override {
    const std::string_view value = text(column);
    if (value == "t") return 1;  // a boolean
    return number<std::int64_t>(value);
  }
  double real(int column) const override { return number<double>(text(column)); }
  std::string_view text(int column) const override {
    return {PQgetvalue(result_, row_, column), static_cast<std::size_t>(PQgetlength(result_, row_, column))};
  }

 private:
  template <class T>
  static T number(std::string_view value) {
    T parsed{};
    std::from_chars(value.data(), value.data() + value.size(), parsed);
    return parsed;
  }

  const PGresult* result_;
  int row_;
};

// As libpq takes them; borrowed from `target`.
struct Keywords {
  explicit Keywords(const PostgresTarget& target) {
    for (const auto& [name, value] : target.keywords) {
      names.push_back(name.c_str());
      values.push_back(value.c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
  }
  std::vector<const char*> names, values;
};

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text)
    if (c == '\n' || c == '\t') c = ' ';
  return text;
}

enum class Meant { to_write, to_read };

// PostgreSQL's appendix A.
PgFailure::Kind kind_of(std::string_view state, std::string_view message, Meant meant, bool pooled) {
  using Kind = PgFailure::Kind;
  if (state == "40001" || state == "40P01" || state == "55P03") return Kind::conflict;
  // Shutting down, crashed, starting.
  if (state.starts_with("57P") || state.starts_with("08") || state == "25P03") return Kind::lost;
  // A primary that became a standby while we were connected. In a reading transaction it is the closure's mistake.
  if (state == "25006" && meant == Meant::to_write) return Kind::lost;
  // Another session than the one that prepared it: the pooler would go on so.
  if (pooled && (state == "26000" || state == "42P05")) return Kind::refused;
  // The tables changed under a prepared statement, or somebody discarded it: a new session prepares it anew.
  if (state == "26000" || (state == "0A000" && message.contains("cached plan"))) return Kind::lost;
  return Kind::refused;
}

// Statements worth preparing; others change tables or settings, once.
bool is_query(std::string_view sql) {
  for (std::string_view word : {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"})
    if (sql.starts_with(word)) return true;
  return false;
}

}  // namespace

Failure sessions_not_kept(const PostgresTarget& target) {
  return Failure(fmt::format(
      "PostgreSQL at {} is behind a pooler that gives each transaction another session. Prepared statements, time limits and LISTEN need "
      "sessions that last: set pool_mode = session in PgBouncer for this database, or name the server itself in DATABASE_URL.",
      target.described));
}

bool may_be_starting(const PostgresTarget& target) {
  const Keywords keywords(target);
  const auto found = PQpingParams(keywords.names.data(), keywords.values.data(), 0);
  return found == PQPING_REJECT || found == PQPING_NO_RESPONSE;
}

PgConnection::PgConnection(const PostgresTarget& target, const PgSession& session) : session_(session) {
  const Keywords keywords(target);
  connection_.reset(PQconnectdbParams(keywords.names.data(), keywords.values.data(), 0));
  if (PQstatus(connection_.get()) != CONNECTION_OK || PQsetnonblocking(connection_.get(), 1) != 0)
    throw PgFailure(PgFailure::Kind::lost, fmt::format("PostgreSQL at {} cannot be used: {}", target.described,
                                                       one_line(PQerrorMessage(connection_.get()))));
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);  // "already exists, skipping"
  // When statistics were reset is known to have changed after a crash, also of one backend; the start of the server
  // tells all other ends.
  const std::string start = fmt::format(
      "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; SET datestyle = 'ISO, YMD'; "
      "SET timezone = 'UTC'; SET default_transaction_isolation = 'read committed'; "
      "SELECT concat(pg_postmaster_start_time(), ' ', stats_reset), pg_backend_pid() FROM pg_stat_archiver",
      session.statement_limit.count(), session.lock_limit.count(), session.idle_limit.count());
  const ResultPtr result = answer(PQsendQuery(connection_.get(), start.c_str()), start, Clock::now() + kStartLimit);
  if (PQntuples(result.get()) != 1) return;
  incarnation_ = PQgetvalue(result.get(), 0, 0);
  backend_ = static_cast<int>(PgRow(result.get(), 0).i64(1));
}

// ---- waiting ----

PgConnection::Deadline PgConnection::deadline() const {
  if (unhurried_ || session_.statement_limit.count() == 0) return std::nullopt;
  return Clock::now() + session_.statement_limit + session_.grace;
}

void PgConnection::fail(PgFailure failure) {
  if (!failure_) failure_ = failure;
  throw failure;
}

void PgConnection::wait_for(short events, Deadline until) {
  pollfd watched{PQsocket(connection_.get()), events, 0};
  int left = -1;
  if (until) left = static_cast<int>(std::max<std::int64_t>(0, std::chrono::duration_cast<milliseconds>(*until - Clock::now()).count()));
  if (::poll(&watched, 1, left) == 0) {
    given_up_ = true;
    fail(PgFailure(PgFailure::Kind::lost, "PostgreSQL has not answered in time"));
  }
}

PgConnection::ResultPtr PgConnection::answer(int sent, std::string_view sql, Deadline until) {
  PGconn* connection = connection_.get();
  const auto lost = [this, connection]() -> PgFailure {
    given_up_ = true;
    return {PgFailure::Kind::lost, "the connection to PostgreSQL was lost: " + one_line(PQerrorMessage(connection))};
  };
  if (sent == 0) fail(lost());
  for (int more = PQflush(connection); more != 0; more = PQflush(connection)) {
    if (more < 0) fail(lost());
    wait_for(POLLIN | POLLOUT, until);
    if (PQconsumeInput(connection) == 0) fail(lost());
  }
  ResultPtr last;
  for (;;) {
    while (PQisBusy(connection) != 0) {
      wait_for(POLLIN, until);
      if (PQconsumeInput(connection) == 0) break;  // the next result tells why
    }
    ResultPtr next(PQgetResult(connection));
    if (!next) break;
    last = std::move(next);
  }
  if (!last) fail(lost());
  check(last.get(), sql);
  return last;
}

void PgConnection::check(const PGresult* result, std::string_view sql) {
  const auto status = PQresultStatus(result);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return;
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string message = one_line(primary ? primary : PQresultErrorMessage(result));
  const auto meant = writes_ ? Meant::to_write : Meant::to_read;
  const bool cut = PQstatus(connection_.get()) != CONNECTION_OK;
  const auto kind = cut ? PgFailure::Kind::lost : kind_of(state ? state : "", message, meant, pooled());
  given_up_ = given_up_ || kind == PgFailure::Kind::lost;
  const bool prepared_elsewhere = kind == PgFailure::Kind::refused && pooled() && message.starts_with("prepared statement");
  fail(PgFailure(kind, fmt::format("{} ({}) in: {}{}", message, state ? state : "no code", sql.substr(0, 200),
                                   prepared_elsewhere ? "; the pooler before PostgreSQL must keep sessions (pool_mode = session)" : ""),
                 state ? state : ""));
}

// ---- transactions ----

void PgConnection::command(const char* sql) {
  failure_.reset();
  unhurried_ = writes_ = false;
  answer(PQsendQuery(connection_.get(), sql), sql, deadline());
}

void PgConnection::begin_read() {
  failure_.reset();
  read_waits_ = true;
}

void PgConnection::end_read() {
  if (!std::exchange(read_waits_, false)) command("COMMIT");
}

std::string PgConnection::begin_write() {
  failure_.reset();
  read_waits_ = false;
  unhurried_ = false;
  writes_ = true;
  // The number is asked for at once: before COMMIT it would cost a journey of its own.
  constexpr const char* kBegin = "BEGIN; SELECT pg_current_xact_id()";
  const ResultPtr result = answer(PQsendQuery(connection_.get(), kBegin), kBegin, deadline());
  return PQgetvalue(result.get(), 0, 0);
}

void PgConnection::raise_failure() const {
  if (failure_) throw *failure_;
}

void PgConnection::commit() {
  // A time-out would end the wait for a standby, and the server would report success for what only it has.
  constexpr const char* kCommit = "SET LOCAL statement_timeout = 0; COMMIT";
  const ResultPtr result = answer(PQsendQuery(connection_.get(), kCommit), kCommit, Clock::now() + kCommitLimit);
  if (std::string_view(PQcmdStatus(result.get())) != "COMMIT")
    fail(PgFailure(PgFailure::Kind::refused, "the transaction was rolled back by the server at COMMIT"));
}

PgConnection::Fate PgConnection::fate_of(const std::string& transaction) {
  constexpr std::string_view kOfTheFuture = "22023";
  Tx& tx = *this;
  try {
    failure_.reset();
    const auto fate = tx.first("SELECT pg_xact_status(CAST($1 AS xid8))", {transaction}, [](const Row& row) { return row.str(0); });
    if (fate == "committed") return Fate::committed;
    if (fate == "aborted") return Fate::none;
    return fate == "in progress" ? Fate::under_way : Fate::forgotten;
  } catch (const PgFailure& failure) {
    if (failure.sqlstate() != kOfTheFuture) throw;
    failure_.reset();
    return Fate::none;  // this server has not come to it
  }
}

void PgConnection::rollback() noexcept {
  read_waits_ = false;
  if (!alive() || PQtransactionStatus(connection_.get()) == PQTRANS_IDLE) return;
  try {
    command("ROLLBACK");
  } catch (const Failure&) {
    given_up_ = true;
  }
}

// ---- statements ----

const std::string& PgConnection::prepared(std::string_view sql, const PgValues& values) {
  std::string key = fmt::format("{} {}", values.signature(), sql);
  if (auto known = statements_.find(key); known != statements_.end()) return known->second;
  if (statements_.size() >= kMaxStatements) {
    answer(PQsendQuery(connection_.get(), "DEALLOCATE ALL"), "DEALLOCATE ALL", deadline());
    statements_.clear();
  }
  std::string name = fmt::format("s{}", ++statements_made_);
  answer(PQsendPrepare(connection_.get(), name.c_str(), std::string(sql).c_str(), values.count(), values.types()), sql,
         deadline());
  return statements_.emplace(std::move(key), std::move(name)).first->second;
}

PgConnection::ResultPtr PgConnection::run(std::string_view sql, std::span<const Param> params) {
  if (std::exchange(read_waits_, false)) command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const PgValues values(params);
  if (!is_query(sql)) {
    unhurried_ = true;
    return answer(PQsendQueryParams(connection_.get(), std::string(sql).c_str(), values.count(), values.types(), values.texts(),
                                    nullptr, nullptr, 0),
                  sql, deadline());
  }
  const std::string& name = prepared(sql, values);
  return answer(PQsendQueryPrepared(connection_.get(), name.c_str(), values.count(), values.texts(), nullptr, nullptr, 0), sql,
                deadline());
}

std::int64_t PgConnection::do_exec(std::string_view sql, std::span<const Param> params) {
  const ResultPtr result = run(sql, params);
  const std::string_view count = PQcmdTuples(result.get());
  std::int64_t rows = 0;
  std::from_chars(count.data(), count.data() + count.size(), rows);
  return rows;
}

void PgConnection::do_query(std::string_view sql, std::span<const Param> params,
                            const std::function<void(const Row&)>& on_row) {
  const ResultPtr result = run(sql, params);
  for (int row = 0; row < PQntuples(result.get()); ++row) on_row(PgRow(result.get(), row));
}

}  // namespace fluxgate::db

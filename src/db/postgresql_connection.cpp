#include "db/postgresql_connection.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

namespace fluxgate::db {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStartLimit{10'000};
// A COMMIT may have to wait for a standby; it must not be cut short, only given up.
constexpr milliseconds kCommitLimit{60'000};
// PostgreSQL's words; libpq has none.
constexpr const char* kNoSession = "08001";
constexpr const char* kTooManySessions = "53300";
// A server that is full says so at once. One that takes longer to answer is away.
constexpr milliseconds kRefusalLimit{2'000};
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

// As libpq takes them, ended by a null; borrowed from `target`.
struct Keywords {
  explicit Keywords(const PostgresTarget& target, std::initializer_list<std::string_view> but = {}) {
    for (const auto& [name, value] : target.keywords)
      if (std::ranges::find(but, name) == but.end()) add(name.c_str(), value.c_str());
  }
  void add(const char* name, const char* value) {
    names.insert(names.end() - 1, name);
    values.insert(values.end() - 1, value);
  }
  std::vector<const char*> names{nullptr}, values{nullptr};
};

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text)
    if (c == '\n' || c == '\t') c = ' ';
  return text;
}

// libpq keeps the SQLSTATE of a refused session to itself, and the words are the server's language; but told so in time, it
// says the SQLSTATE in place of the words. So this is one more try to connect, which may succeed; bounded, and unlike
// PQconnectdbParams not by host.
PGconn* connect_naming_state(const Keywords& keywords) {
  PGconn* connection = PQconnectStartParams(keywords.names.data(), keywords.values.data(), 0);
  PQsetErrorVerbosity(connection, PQERRORS_SQLSTATE);
  const auto until = std::chrono::steady_clock::now() + kRefusalLimit;
  for (auto next = PGRES_POLLING_WRITING; PQstatus(connection) != CONNECTION_BAD && next != PGRES_POLLING_FAILED && next != PGRES_POLLING_OK;) {
    pollfd watched{PQsocket(connection), static_cast<short>(next == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now()).count();
    if (left <= 0 || ::poll(&watched, 1, static_cast<int>(left)) <= 0) break;
    next = PQconnectPoll(connection);
  }
  PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
  return connection;
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

PgConnection::PgConnection(const PostgresTarget& target, const PgSession& session) : target_(target), session_(session) {
  connect();
  settle();
}

void PgConnection::connect() {
  const Keywords keywords(target_);
  const auto begun = std::chrono::steady_clock::now();
  connection_.reset(PQconnectdbParams(keywords.names.data(), keywords.values.data(), 0));
  if (PQstatus(connection_.get()) == CONNECTION_OK) return;
  const std::string why = fmt::format("PostgreSQL at {} cannot be used: {}", target_.described, one_line(PQerrorMessage(connection_.get())));
  if (std::chrono::steady_clock::now() - begun < kRefusalLimit) connection_.reset(connect_naming_state(keywords));
  if (PQstatus(connection_.get()) == CONNECTION_OK) return;
  const bool full = std::string_view(PQerrorMessage(connection_.get())).contains(fmt::format(":  {}", kTooManySessions));
  throw PgFailure(full ? PgFailure::Kind::full : PgFailure::Kind::lost, why, full ? kTooManySessions : kNoSession);
}

// What the role, the database or the server may have set otherwise.
void PgConnection::settle() {
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);  // "already exists, skipping"
  line_ = std::make_unique<PgPipeline>(connection_.get(), session_.quiet, [this] { return server_answers(); });
  const auto set = [this](std::string_view name, std::string_view value) { line_->send(fmt::format("SET {} = {}", name, value)); };
  set("statement_timeout", std::to_string(session_.statement_limit.count()));
  set("lock_timeout", std::to_string(session_.lock_limit.count()));
  set("idle_in_transaction_session_timeout", std::to_string(session_.idle_limit.count()));
  set("datestyle", "'ISO, YMD'");
  set("timezone", "'UTC'");
  set("default_transaction_isolation", "'read committed'");
  set("standard_conforming_strings", "on");
  set("extra_float_digits", "1");
  // When statistics were reset is known to have changed after a crash, also of one backend; the start of the server
  // tells all other ends.
  line_->send("SELECT concat(pg_postmaster_start_time(), ' ', stats_reset), pg_backend_pid() FROM pg_stat_archiver");
  const PgResult result = answer(kStartLimit);
  if (PQntuples(result.get()) != 1) return;
  incarnation_ = PQgetvalue(result.get(), 0, 0);
  backend_ = static_cast<int>(PgRow(result.get(), 0).i64(1));
}

// Whether the host this session is with takes a new one, or at least says why not.
bool PgConnection::server_answers() const {
  Keywords keywords(target_, {"host", "hostaddr", "port", "target_session_attrs"});
  keywords.add("host", PQhost(connection_.get()));
  keywords.add("hostaddr", PQhostaddr(connection_.get()));
  keywords.add("port", PQport(connection_.get()));
  return PQpingParams(keywords.names.data(), keywords.values.data(), 0) != PQPING_NO_RESPONSE;
}

// ---- answers ----

PgPipeline::Limit PgConnection::limit() const {
  if (unhurried_ || session_.statement_limit.count() == 0) return std::nullopt;
  return session_.statement_limit + session_.grace;
}

PgFailure PgConnection::failure_of(const PgPipeline::Trouble& trouble) const {
  const auto meant = writes_ ? Meant::to_write : Meant::to_read;
  const auto kind = trouble.lost ? PgFailure::Kind::lost : kind_of(trouble.state, trouble.message, meant, pooled());
  const bool prepared_elsewhere =
      kind == PgFailure::Kind::refused && pooled() && trouble.message.starts_with("prepared statement");
  return {kind,
          fmt::format("{}{}{}{}{}", trouble.message, trouble.state.empty() ? "" : fmt::format(" ({})", trouble.state),
                      trouble.sql.empty() ? "" : " in: ", trouble.sql,
                      prepared_elsewhere ? "; the pooler before PostgreSQL must keep sessions (pool_mode = session)" : ""),
          trouble.state};
}

PgResult PgConnection::answer(PgPipeline::Limit limit) {
  auto answered = line_->answer(limit);
  for (const std::string& name : line_->take_unprepared())
    std::erase_if(statements_, [&name](const auto& known) { return known.second == name; });
  if (answered) return std::move(*answered);
  const PgFailure failure = failure_of(answered.error());
  given_up_ = given_up_ || failure.kind() == PgFailure::Kind::lost;
  if (!failure_) failure_ = failure;
  throw failure;
}

// ---- transactions ----

void PgConnection::command(const char* sql) {
  failure_.reset();
  unhurried_ = writes_ = false;
  line_->send(sql);
  answer(limit());
}

void PgConnection::begin_read() {
  failure_.reset();
  unhurried_ = writes_ = false;
  stage_ = Stage::due;
}

void PgConnection::end_read() {
  if (std::exchange(stage_, Stage::none) != Stage::open) return;
  line_->send("COMMIT", PgPipeline::Role::aside);
  line_->let_go();
}

void PgConnection::begin_write() {
  begin_read();
  writes_ = true;
}

void PgConnection::send_begin() {
  if (stage_ != Stage::due) return;
  stage_ = Stage::open;
  if (!writes_) return line_->send("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  line_->send("BEGIN");
  // Asked for at once: before COMMIT it would cost a journey of its own.
  line_->send("SELECT pg_current_xact_id()", PgPipeline::Role::number);
}

void PgConnection::raise_failure() const {
  if (failure_) throw *failure_;
}

void PgConnection::commit() {
  if (stage_ == Stage::open && transaction().empty()) answer(limit());  // only posts so far
  if (stage_ == Stage::open) {
    // A time-out would end the wait for a standby, and the server would report success for what only it has.
    line_->send("SET LOCAL statement_timeout = 0");
    line_->send("COMMIT");
    const PgResult result = answer(kCommitLimit);
    if (std::string_view(PQcmdStatus(result.get())) != "COMMIT")
      throw PgFailure(PgFailure::Kind::refused, "the transaction was rolled back by the server at COMMIT");
  }
  stage_ = Stage::none;
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
  if (std::exchange(stage_, Stage::none) != Stage::open || !alive()) return;
  line_->send("ROLLBACK", PgPipeline::Role::aside);
  line_->let_go();
}

// ---- statements ----

void PgConnection::send(std::string_view sql, std::span<const Param> params) {
  send_begin();
  const PgValues values(params);
  if (!is_query(sql)) {
    unhurried_ = true;
    return line_->send(sql, values);
  }
  std::string key = fmt::format("{} {}", values.signature(), sql);
  auto known = statements_.find(key);
  if (known == statements_.end()) {
    if (statements_.size() >= kMaxStatements) {
      line_->send("DEALLOCATE ALL");
      statements_.clear();
    }
    std::string name = fmt::format("s{}", ++statements_made_);
    line_->prepare(name, sql, values);
    known = statements_.emplace(std::move(key), std::move(name)).first;
  }
  line_->send_prepared(known->second, sql, values);
}

PgResult PgConnection::run(std::string_view sql, std::span<const Param> params) {
  send(sql, params);
  return answer(limit());
}

std::int64_t PgConnection::do_exec(std::string_view sql, std::span<const Param> params) {
  const PgResult result = run(sql, params);
  const std::string_view count = PQcmdTuples(result.get());
  std::int64_t rows = 0;
  std::from_chars(count.data(), count.data() + count.size(), rows);
  return rows;
}

void PgConnection::do_query(std::string_view sql, std::span<const Param> params,
                            const std::function<void(const Row&)>& on_row) {
  const PgResult result = run(sql, params);
  for (int row = 0; row < PQntuples(result.get()); ++row) on_row(PgRow(result.get(), row));
}

}  // namespace fluxgate::db

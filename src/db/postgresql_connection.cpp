#include "db/postgresql_connection.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

namespace fluxgate::db {
namespace {

constexpr Oid kBigint = 20, kDouble = 701;  // pg_type.oid, the same in every server

Oid type_of(const Param& param) {
  if (std::holds_alternative<std::int64_t>(param.value())) return kBigint;
  if (std::holds_alternative<double>(param.value())) return kDouble;
  return 0;
}

// The values of one call, kept until it has been sent.
class Values {
 public:
  explicit Values(std::span<const Param> params) : texts_(params.size()), pointers_(params.size(), nullptr) {
    for (std::size_t i = 0; i < params.size(); ++i) {
      const auto& value = params[i].value();
      if (const auto* number = std::get_if<std::int64_t>(&value)) texts_[i] = std::to_string(*number);
      else if (const auto* real = std::get_if<double>(&value)) texts_[i] = fmt::format("{}", *real);
      else if (const auto* text = std::get_if<std::string_view>(&value)) texts_[i] = *text;
      else continue;
      pointers_[i] = texts_[i].c_str();
    }
  }
  const char* const* pointers() const { return pointers_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<const char*> pointers_;
};

class PgRow final : public Row {
 public:
  PgRow(const PGresult* result, int row) : result_(result), row_(row) {}
  bool is_null(int column) const override { return PQgetisnull(result_, row_, column) != 0; }
  std::int64_t i64(int column) const override {
    const std::string_view value = text(column);
    if (value == "t") return 1;
    std::int64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
  }
  double real(int column) const override {
    const std::string_view value = text(column);
    double number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
  }
  std::string_view text(int column) const override {
    return {PQgetvalue(result_, row_, column), static_cast<std::size_t>(PQgetlength(result_, row_, column))};
  }

 private:
  const PGresult* result_;
  int row_;
};

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text;
}

}  // namespace

bool PgFailure::transient() const {
  return connection_lost_ || sqlstate_.starts_with("40") || sqlstate_.starts_with("57P") || sqlstate_ == "55P03";
}

PgConnection::PgConnection(const std::string& url) {
  // What stands before dbname is a default, what the URL says wins.
  const std::array<const char*, 7> names{"target_session_attrs", "connect_timeout", "tcp_user_timeout", "application_name",
                                         "client_encoding", "dbname", nullptr};
  const std::array<const char*, 7> values{"read-write", "5", "15000", "fluxgate", "UTF8", url.c_str(), nullptr};
  constexpr int kExpandUrl = 1;
  connection_.reset(PQconnectdbParams(names.data(), values.data(), kExpandUrl));
  if (PQstatus(connection_.get()) != CONNECTION_OK)
    throw PgFailure("PostgreSQL cannot be reached: " + one_line(PQerrorMessage(connection_.get())), "", true);
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);  // "already exists, skipping"
  command("SET statement_timeout = '60s'");
  command("SET lock_timeout = '10s'");
  command("SET idle_in_transaction_session_timeout = '60s'");
  command("SET default_transaction_isolation = 'read committed'");
}

void PgConnection::check(const PGresult* result, std::string_view sql) {
  const auto status = PQresultStatus(result);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return;
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  throw PgFailure(fmt::format("{} (in: {})", one_line(PQerrorMessage(connection_.get())), sql.substr(0, 200)),
                  state == nullptr ? "" : state, !alive());
}

void PgConnection::command(const char* sql) {
  const ResultPtr result(PQexec(connection_.get(), sql));
  check(result.get(), sql);
}

void PgConnection::rollback() noexcept {
  if (alive() && PQtransactionStatus(connection_.get()) != PQTRANS_IDLE)
    const ResultPtr result(PQexec(connection_.get(), "ROLLBACK"));
}

const std::string& PgConnection::prepared(std::string_view sql, std::span<const Param> params) {
  std::string key;
  std::vector<Oid> types;
  for (const Param& param : params) {
    types.push_back(type_of(param));
    key += types.back() == 0 ? 't' : types.back() == kBigint ? 'i' : 'd';
  }
  key += ' ';
  key += sql;
  auto [known, fresh] = statements_.try_emplace(std::move(key));
  if (!fresh) return known->second;
  std::string name = fmt::format("s{}", statements_.size());
  const ResultPtr result(PQprepare(connection_.get(), name.c_str(), std::string(sql).c_str(), static_cast<int>(types.size()), types.data()));
  try {
    check(result.get(), sql);
  } catch (...) {
    statements_.erase(known);
    throw;
  }
  known->second = std::move(name);
  return known->second;
}

PgConnection::ResultPtr PgConnection::run(std::string_view sql, std::span<const Param> params) {
  const std::string& name = prepared(sql, params);
  const Values values(params);
  ResultPtr result(PQexecPrepared(connection_.get(), name.c_str(), static_cast<int>(params.size()), values.pointers(), nullptr,
                                  nullptr, 0));
  check(result.get(), sql);
  return result;
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

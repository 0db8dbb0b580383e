#include "db/postgresql_pipeline.h"

#include <algorithm>
#include <utility>

#include <poll.h>

namespace fluxgate::db {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kSqlShown = 200;

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::ranges::replace_if(text, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return text;
}

std::optional<Clock::time_point> after(PgPipeline::Limit limit) {
  return limit ? std::optional(Clock::now() + *limit) : std::nullopt;
}

bool succeeded(const PGresult* result) {
  const auto status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

}  // namespace

PgPipeline::PgPipeline(PGconn* connection, milliseconds quiet, std::function<bool()> answers)
    : connection_(connection), quiet_(quiet), answers_(std::move(answers)) {
  refused_ = PQsetnonblocking(connection_, 1) != 0 || PQenterPipelineMode(connection_) == 0;
}

// ---- sending ----

void PgPipeline::sent(int accepted, Sent what) {
  if (accepted == 0) refused_ = true;
  else sent_.push_back(std::move(what));
}

void PgPipeline::send(std::string_view sql, const PgValues& values, Role role) {
  if (role == Role::number) number_.clear();
  sent(PQsendQueryParams(connection_, std::string(sql).c_str(), values.count(), values.types(), values.texts(), nullptr, nullptr, 0),
       {.role = role, .sql = std::string(sql.substr(0, kSqlShown))});
}

void PgPipeline::prepare(const std::string& name, std::string_view sql, const PgValues& values) {
  sent(PQsendPrepare(connection_, name.c_str(), std::string(sql).c_str(), values.count(), values.types()),
       {.sql = std::string(sql.substr(0, kSqlShown)), .prepares = name});
}

void PgPipeline::send_prepared(const std::string& name, std::string_view sql, const PgValues& values) {
  sent(PQsendQueryPrepared(connection_, name.c_str(), values.count(), values.texts(), nullptr, nullptr, 0),
       {.sql = std::string(sql.substr(0, kSqlShown))});
}

void PgPipeline::sync() { sent(PQpipelineSync(connection_), {.sync = true}); }

void PgPipeline::let_go() {
  sync();
  constexpr milliseconds kRoom{1'000};  // a few bytes always fit, unless nobody reads what was sent before
  flush(kRoom);
}

// ---- waiting ----

// With the server's last word, if it had one.
PgPipeline::Trouble PgPipeline::lost(std::optional<Trouble> word) {
  sent_.clear();
  if (word && !word->state.empty()) {
    word->lost = true;
    return std::move(*word);
  }
  std::string why = silence_;
  if (why.empty()) why = "the connection to PostgreSQL was lost: " + one_line(PQerrorMessage(connection_));
  return {.lost = true, .state = "", .message = std::move(why), .sql = ""};
}

bool PgPipeline::wait_for(short events, Deadline until) {
  for (;;) {
    pollfd watched{PQsocket(connection_), events, 0};
    int time = quiet_.count() > 0 ? static_cast<int>(quiet_.count()) : -1;
    if (until) {
      const auto left = std::chrono::ceil<milliseconds>(*until - Clock::now()).count();
      time = static_cast<int>(std::clamp<std::int64_t>(left, 0, time < 0 ? left : time));
    }
    if (::poll(&watched, 1, time) != 0) return true;
    if (until && Clock::now() >= *until) {
      silence_ = "PostgreSQL has not answered in time";
      return false;
    }
    if (quiet_.count() > 0 && !answers_()) {
      silence_ = "PostgreSQL stands still: it answers neither this session nor a new one";
      return false;
    }
  }
}

bool PgPipeline::flush(Limit limit) {
  for (int more = PQflush(connection_); more != 0; more = PQflush(connection_))
    if (more < 0 || !wait_for(POLLIN | POLLOUT, after(limit)) || PQconsumeInput(connection_) == 0) return false;
  return true;
}

void PgPipeline::take(PgResult result, PgResult& last, std::optional<Trouble>& trouble) {
  const Sent& of = sent_.front();
  const bool good = succeeded(result.get());
  if (!good && !of.prepares.empty()) unprepared_.push_back(of.prepares);
  if (of.role == Role::aside) return;
  if (good && of.role == Role::number) number_ = PQntuples(result.get()) == 1 ? PQgetvalue(result.get(), 0, 0) : "";
  if (!good && !trouble && PQresultStatus(result.get()) != PGRES_PIPELINE_ABORTED) {
    const char* state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
    const char* primary = PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY);
    trouble = Trouble{.lost = PQstatus(connection_) != CONNECTION_OK, .state = state ? state : "",
                      .message = one_line(primary ? primary : PQresultErrorMessage(result.get())), .sql = of.sql};
  }
  last = std::move(result);
}

std::expected<PgResult, PgPipeline::Trouble> PgPipeline::answer(Limit limit) {
  silence_.clear();
  if (!refused_) sync();
  if (refused_ || !flush(limit)) return std::unexpected(lost());
  PgResult last;
  std::optional<Trouble> trouble;
  while (!sent_.empty()) {
    for (const Deadline until = after(limit); PQisBusy(connection_) != 0;) {
      if (!wait_for(POLLIN, until)) return std::unexpected(lost());
      if (PQconsumeInput(connection_) == 0) break;  // the next result tells why
    }
    PgResult next(PQgetResult(connection_));
    if (next && PQresultStatus(next.get()) != PGRES_PIPELINE_SYNC) {
      take(std::move(next), last, trouble);
      if (PQstatus(connection_) != CONNECTION_OK) return std::unexpected(lost(std::move(trouble)));
      continue;
    }
    if (!next && sent_.front().sync) return std::unexpected(lost());
    sent_.pop_front();
  }
  if (trouble) return std::unexpected(std::move(*trouble));
  return last;
}

}  // namespace fluxgate::db

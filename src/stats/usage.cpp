#include "stats/usage.h"
#include "db/post.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace fluxgate::stats {
namespace {

Millis hour_of(Millis at) { return at / kHour * kHour; }

// The last hour that was rolled up. It is done once more with the next, for those who came late.
Millis rolled_up(db::Tx& tx) { return tx.number("SELECT COALESCE(MAX(hour), 0) FROM fg_usage_total"); }

std::string_view column(By by) {
  switch (by) {
    case By::none: return "''";
    case By::provider: return "provider";
    case By::model: return "model";
    case By::user: return "user_id";
  }
  return "''";
}

// $1 from, $2 to, $3 offset, $4 limit, $5 the user, or from when on the hours of $1 to $2 are not rolled up.
std::string sql_for(const Question& question) {
  const std::string at = question.step == Step::whole
                             ? "CAST($1 AS BIGINT) + 0 * CAST($3 AS BIGINT)"
                             : fmt::format("(hour + $3) / {0} * {0} - $3", question.step == Step::day ? kDay : kHour);
  constexpr std::string_view kOfUser = "fg_usage_hourly WHERE user_id = $5 AND hour >= $1 AND hour < $2";
  constexpr std::string_view kByUser = "fg_usage_hourly WHERE hour >= $1 AND hour < $2 AND $5 = ''";
  constexpr std::string_view kOfAll =
      "(SELECT hour, provider, model, succeeded, failed, cancelled, images, charged FROM fg_usage_total "
      "WHERE hour >= $1 AND hour < $5 UNION ALL "
      "SELECT hour, provider, model, succeeded, failed, cancelled, images, charged FROM fg_usage_hourly "
      "WHERE hour >= $5 AND hour < $2) AS used";
  return fmt::format(
      "SELECT {} AS at, {} AS name, SUM(succeeded), SUM(failed), SUM(cancelled), SUM(images), SUM(charged) FROM {} "
      "GROUP BY 1, 2 ORDER BY 1, 7 DESC, 2 LIMIT $4",
      at, column(question.by), !question.user_id.empty() ? kOfUser : question.by == By::user ? kByUser : kOfAll);
}

}  // namespace

void count(db::Tx& tx, const Ended& ended) {
  const int succeeded = ended.outcome == Outcome::succeeded, failed = ended.outcome == Outcome::failed;
  db::post(tx,
      "INSERT INTO fg_usage_hourly (hour, user_id, provider, model, succeeded, failed, cancelled, images, charged) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (hour, user_id, provider, model) DO UPDATE SET "
      "succeeded = fg_usage_hourly.succeeded + $5, failed = fg_usage_hourly.failed + $6, "
      "cancelled = fg_usage_hourly.cancelled + $7, images = fg_usage_hourly.images + $8, "
      "charged = fg_usage_hourly.charged + $9",
      {hour_of(ended.at), ended.user_id, ended.provider, ended.model, succeeded, failed, 1 - succeeded - failed,
       ended.images, ended.charged});
}

bool roll_up(db::Tx& tx, Millis now) {
  const Millis last = rolled_up(tx), over = hour_of(now - kSettles);
  const auto next = tx.first("SELECT MIN(hour) FROM fg_usage_hourly WHERE hour > $1", {last},
                             [](const db::Row& row) { return row.maybe_i64(0); });
  if (!next || !*next || **next >= over) return false;
  const Millis until = std::min(over, **next + kDay);
  // In one order, so that two nodes at it never wait for each other crosswise.
  tx.exec(
      "INSERT INTO fg_usage_total (hour, provider, model, succeeded, failed, cancelled, images, charged) "
      "SELECT hour, provider, model, SUM(succeeded), SUM(failed), SUM(cancelled), SUM(images), SUM(charged) "
      "FROM fg_usage_hourly WHERE hour >= $1 AND hour < $2 GROUP BY hour, provider, model ORDER BY hour, provider, model "
      "ON CONFLICT (hour, provider, model) DO UPDATE SET succeeded = excluded.succeeded, failed = excluded.failed, "
      "cancelled = excluded.cancelled, images = excluded.images, charged = excluded.charged",
      {last, until});
  return true;
}

void take_stock(db::Tx& tx) {
  tx.exec(
      "INSERT INTO fg_usage_hourly (hour, user_id, provider, model, succeeded, failed, cancelled, images, charged) "
      "SELECT hour, user_id, provider, model, SUM(succeeded), SUM(failed), SUM(cancelled), SUM(images), SUM(charged) FROM "
      "(SELECT COALESCE(completed_at, updated_at) / 3600000 * 3600000 AS hour, user_id, provider, model, "
      "CASE WHEN status = 'succeeded' THEN 1 ELSE 0 END AS succeeded, CASE WHEN status = 'failed' THEN 1 ELSE 0 END AS failed, "
      "CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END AS cancelled, "
      "CASE WHEN status = 'succeeded' THEN images ELSE 0 END AS images, charged FROM fg_task "
      "WHERE status IN ('succeeded', 'failed', 'cancelled')) AS ended "
      "WHERE hour > 0 GROUP BY hour, user_id, provider, model ON CONFLICT DO NOTHING");
  tx.exec("DELETE FROM fg_usage_total");
}

bool needs_stock(db::Tx& tx) {
  return tx.number("SELECT 1 FROM fg_usage_hourly LIMIT 1") == 0 &&
         tx.number("SELECT 1 FROM fg_task WHERE status IN ('succeeded', 'failed', 'cancelled') LIMIT 1") != 0;
}

std::vector<Usage> usage(db::Tx& tx, const Question& question, int limit) {
  const auto read = [](const db::Row& row) {
    return Usage{row.i64(0), row.str(1), row.i64(2), row.i64(3), row.i64(4), row.i64(5), row.credits(6)};
  };
  const std::string sql = sql_for(question);
  if (!question.user_id.empty() || question.by == By::user)
    return tx.all(sql, {question.from, question.to, question.utc_offset, limit, question.user_id}, read);
  // One bound below each: with two SQLite looks for the first, and would read all hours there are by every member.
  const Millis split = std::clamp(rolled_up(tx), question.from, std::max(question.from, question.to));
  return tx.all(sql, {question.from, question.to, question.utc_offset, limit, split}, read);
}

}  // namespace fluxgate::stats

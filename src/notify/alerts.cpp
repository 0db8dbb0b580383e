#include "notify/alerts.h"

#include <fmt/format.h>

#include "notify/events.h"

namespace fluxgate::notify {
namespace {

constexpr std::string_view kColumns = "id, kind, subject, message_en, message_zh, count, raised_at, last_at, resolved_at";

Alert read_alert(const db::Row& row) {
  return {row.str(0),  row.str(1), row.str(2), {row.str(3), row.str(4)}, row.i64(5), row.i64(6),
          row.i64(7),  row.maybe_i64(8)};
}

void tell_admins(db::Tx& tx, std::string_view type, const boost::json::value& data, Millis now) {
  const auto admins = tx.all("SELECT id FROM \"user\" WHERE role = 'admin' ORDER BY id", {},
                             [](const db::Row& row) { return row.str(0); });
  for (const std::string& admin : admins) append(tx, admin, type, data, now);
}

}  // namespace

bool raise(db::Tx& tx, std::string_view id, std::string_view kind, std::string_view subject, const Text& message, Millis now) {
  const auto count = tx.number(
      "INSERT INTO fg_alert (id, kind, subject, message_en, message_zh, count, raised_at, last_at) "
      "VALUES ($1, $2, $3, $4, $5, 1, $6, $6) ON CONFLICT (kind, subject) WHERE resolved_at IS NULL "
      "DO UPDATE SET count = fg_alert.count + 1, last_at = $6, message_en = $4, message_zh = $5 RETURNING count",
      {id, kind, subject, message.en, message.zh, now});
  if (count != 1) return false;
  tell_admins(tx, "alert.raised",
              boost::json::object{{"id", id}, {"kind", kind}, {"subject", subject},
                                  {"message", {{"en", message.en}, {"zh", message.zh}}}}, now);
  return true;
}

bool resolve_by_id(db::Tx& tx, std::string_view id, Millis now) {
  if (tx.exec("UPDATE fg_alert SET resolved_at = $2 WHERE id = $1 AND resolved_at IS NULL", {id, now}) == 0) return false;
  tell_admins(tx, "alert.resolved", boost::json::object{{"id", id}}, now);
  return true;
}

bool resolve(db::Tx& tx, std::string_view kind, std::string_view subject, Millis now) {
  const auto open = tx.first("SELECT id FROM fg_alert WHERE kind = $1 AND subject = $2 AND resolved_at IS NULL",
                             {kind, subject}, [](const db::Row& row) { return row.str(0); });
  return open && resolve_by_id(tx, *open, now);
}

std::vector<Alert> alerts(db::Tx& tx, bool open_only, int limit) {
  return tx.all(fmt::format("SELECT {} FROM fg_alert{} ORDER BY id DESC LIMIT $1", kColumns,
                            open_only ? " WHERE resolved_at IS NULL" : ""),
                {limit}, read_alert);
}

std::optional<Alert> find_alert(db::Tx& tx, std::string_view id) {
  return tx.first(fmt::format("SELECT {} FROM fg_alert WHERE id = $1", kColumns), {id}, read_alert);
}

}  // namespace fluxgate::notify

// What an administrator has to look at. One open alert per kind and subject: raising it again counts. Every
// administrator's event stream tells of it (alert.raised, alert.resolved). Works inside the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "db/database.h"

namespace fluxgate::notify {

struct Alert {
  std::string id, kind, subject;   // kind: account_out, account_resting, …; subject: what it is about
  Text message;
  std::int64_t count = 1;
  Millis raised_at = 0, last_at = 0;
  std::optional<Millis> resolved_at;
};

// `id` is made by the caller, for the case that the alert is new. True when it is.
bool raise(db::Tx& tx, std::string_view id, std::string_view kind, std::string_view subject, const Text& message, Millis now);
// False when there was none open.
bool resolve(db::Tx& tx, std::string_view kind, std::string_view subject, Millis now);
bool resolve_by_id(db::Tx& tx, std::string_view id, Millis now);

// Newest first; only what is open, or all.
std::vector<Alert> alerts(db::Tx& tx, bool open_only, int limit);
std::optional<Alert> find_alert(db::Tx& tx, std::string_view id);

}  // namespace fluxgate::notify

#include "db/turns.h"
#include "db/post.h"

namespace fluxgate::db {

void take_turns(Tx& tx, std::string_view what) {
  if (tx.dialect() == Dialect::sqlite) return;  // one writer
  // Two numbers: a name of ours in this space, so that Open WebUI's own locks are never met.
  constexpr std::int64_t kSpace = 0x666c7578;  // "flux"
  post(tx, "SELECT pg_advisory_xact_lock(CAST($1 AS INTEGER), hashtext($2))", {kSpace, what});
}

Millis shared_now(Tx& tx, Millis own) {
  if (tx.dialect() == Dialect::sqlite) return own;
  return tx.number("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)");
}

}  // namespace fluxgate::db

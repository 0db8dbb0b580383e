#include "db/care.h"

#include "base/clock.h"
#include "db/postgresql_care.h"
#include "db/postgresql_target.h"
#include "db/postgresql_words.h"
#include "db/sqlite_care.h"
#include "db/sqlite_path.h"
#include "db/sqlite_words.h"

namespace fluxgate::db {

std::unique_ptr<Care> care_for(const std::string& url) {
  if (auto path = sqlite_path(url)) return sqlite_care(*std::move(path));
  if (is_postgres_url(url)) return postgresql_care(url);
  throw Failure("DATABASE_URL must start with sqlite:/// or postgresql://, received: " + url.substr(0, url.find(':')) + ":…");
}

Text told(const Failure& failure) {
  if (const auto* care = dynamic_cast<const CareFailure*>(&failure)) return care->text();
  if (const auto* postgresql = dynamic_cast<const PgFailure*>(&failure)) return explained(*postgresql);
  if (const auto* sqlite = dynamic_cast<const SqliteFailure*>(&failure)) return explained(*sqlite, sqlite->file());
  return {failure.what(), failure.what()};
}

// "2026-11-26T11:25:30.123456" → "20261126-112530"
std::string stamp(Millis now) {
  const std::string iso = iso8601(now);
  return iso.substr(0, 4) + iso.substr(5, 2) + iso.substr(8, 2) + "-" + iso.substr(11, 2) + iso.substr(14, 2) + iso.substr(17, 2);
}

}  // namespace fluxgate::db

// Which engine a URL means.
#include "db/postgresql.h"
#include "db/postgresql_target.h"
#include "db/sqlite.h"
#include "db/sqlite_path.h"

namespace fluxgate::db {

std::unique_ptr<Database> open(const std::string& url, OpenOptions options) {
  if (url == ":memory:" || url == "sqlite://") return open_sqlite(":memory:", options);
  if (const auto path = sqlite_path(url)) return open_sqlite(*path, options);
  if (is_postgres_url(url)) return open_postgresql(url, options);
  throw Failure("DATABASE_URL must start with sqlite:/// or postgresql://, received: " + url.substr(0, url.find(':')) + ":…");
}

}  // namespace fluxgate::db

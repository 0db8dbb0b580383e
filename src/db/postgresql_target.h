// Where a PostgreSQL is, read from DATABASE_URL: "postgresql://user:password@host:5432/name", with several
// hosts ("@one:5432,two:5432/name", libpq's form) when a primary may move between them. SQLAlchemy's spellings
// are understood: "postgres://", "postgresql+psycopg2://" and other drivers.
//
// The password is in `keywords` only, for libpq; nothing here ever says it, nor the URL, in a message.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fluxgate::db {

struct PostgresTarget {
  std::vector<std::pair<std::string, std::string>> keywords;  // as libpq takes them, our defaults included
  std::string described;                                      // "host:5432/name", for people
};

bool is_postgres_url(std::string_view url);

// `writable`: only a primary will do. Throws Failure with a sentence that says what to do.
PostgresTarget parse_postgres_url(std::string_view url, bool writable);

}  // namespace fluxgate::db

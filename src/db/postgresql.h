// A Database on a PostgreSQL server (13 or later) that many nodes share. Closures run side by side, each on a
// pooled connection with a thread of its own, READ COMMITTED; reads see one snapshot.
//
// What happens to a closure when the server does not go along:
//  - a deadlock, a serialisation failure, a server that shuts down or became a standby, a connection lost before
//    COMMIT was sent: nothing stands, it is run again, for at most 30 s;
//  - a connection lost during COMMIT: the new connection is asked what became of the transaction
//    (pg_xact_status); committed is success, else it is run again. A caller never hears of success that is none.
#pragma once

#include <memory>
#include <string>

#include "db/database.h"

namespace fluxgate::db {

bool is_postgresql(std::string_view url);

// `url` as libpq takes it, or as SQLAlchemy writes it (postgresql+psycopg2://…). Throws Failure when no server
// answers; the message never holds the password.
std::unique_ptr<Database> open_postgresql(const std::string& url, OpenOptions options);

}  // namespace fluxgate::db

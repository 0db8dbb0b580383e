// A Database on a PostgreSQL server (13 or later) that many nodes share. Closures run side by side, each on a
// pooled session with a thread of its own, READ COMMITTED; reads see one snapshot (REPEATABLE READ, READ ONLY).
// A part of the threads is kept from writes, so that reads go on while writes wait for each other's locks.
//
// What happens to a closure when the server does not go along:
//  - a deadlock or a serialisation failure, a server that shuts down or became a standby, a session lost before
//    COMMIT was sent: nothing stands. It is run again, on whichever server of the URL takes writes by then, until
//    kRideOver after it was given; then its caller gets the Failure.
//  - no session beyond those the pool has is to be had (SQLSTATE 53300): those do the work, and the pool grows again when
//    the server lets it. A pool that has none waits as for a server that is away.
//  - a statement over its time limit, or any other error: rolled back, its caller gets the Failure. Also when the
//    closure swallowed it, for the transaction is spoilt.
//  - a session lost during COMMIT: whether it was done is not known. The transaction's number was noted when it
//    began, so the next session is asked (pg_xact_status): done → success; not done → it is run again; still under
//    way → asked again. A number is trusted only as far as it is certain that no other transaction was given it: a
//    server that crashed, or a standby that took over, may give the last ones out again. "Not done" holds in any
//    case; "done" only by the same life of the same server. What is left is undecided: the caller gets a Failure
//    that says so, and looks before it repeats (submits by their Idempotency-Key, the engine by reading the task).
//    So nobody hears of success that is none, and nothing is done twice.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "db/database.h"

namespace fluxgate::db {

// `url` as is_postgres_url (postgresql_target.h) knows it. A server that is just starting is waited for.
// Throws Failure when none can be used; the message never holds the password.
std::unique_ptr<Database> open_postgresql(std::string_view url, OpenOptions options);

}  // namespace fluxgate::db

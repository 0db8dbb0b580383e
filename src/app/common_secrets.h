// Whether this node has the secrets of the other nodes on its database: a token, a link or a stored key that one of
// them made has to mean the same to all.
#pragma once

#include "app/config.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/result.h"
#include "db/database.h"

namespace fluxgate::app {

// Joins the nodes of a PostgreSQL, from where on this one counts as living (a lease as the engine's). The first one leaves
// a print of both secrets, sealed with the master key; later ones compare. While others live, a node whose secrets differ
// is refused, with words for the operator (secrets_differ), and changes nothing; else its secrets become the common
// ones, and a warning says what that ends. On SQLite, which has one server, nothing is compared.
Result<void> join_nodes(db::Database& database, const crypto::Sealer& sealer, std::string_view session_secret, const std::string& node_id,
                        const Config& config, const Clock& clock);

}  // namespace fluxgate::app

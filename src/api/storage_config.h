// What an admin sees of a store's configuration and may change, between JSON and the row (spec/seed-api.md §9).
#pragma once

#include <boost/json.hpp>

#include "base/crypto.h"
#include "base/result.h"
#include "files/store_table.h"

namespace fluxgate::api {

// With the masks: the first eight characters of secret_id and "****"; "****" for secret_key.
boost::json::object store_json(const files::StoreRow& row, const crypto::Sealer& sealer);

// `before` with the members of `form`; a secret that is absent, null or its own mask stays. What is enabled must be
// usable. invalid with all wrong members.
Result<files::StoreRow> read_store_form(const boost::json::object& form, files::StoreRow before,
                                        const crypto::Sealer& sealer);

}  // namespace fluxgate::api

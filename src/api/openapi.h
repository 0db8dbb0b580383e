// The HTTP contract (api/openapi.yaml, compiled in) as the server serves it.
#pragma once

#include <string_view>

#include <boost/json.hpp>

#include "catalogue/catalogue.h"

namespace fluxgate::api {

// The document as written. Throws std::runtime_error when it is no YAML of the kind we write (anchors,
// merge keys, plain scalars of the JSON types): a build that cannot start.
boost::json::object openapi_document();
boost::json::object parse_yaml(std::string_view text);

// The document with the running version and, for each model and endpoint, the schema of its parameters;
// the bodies of the three submits refer to them.
boost::json::object served_document(boost::json::object document, const catalogue::Catalogue& catalogue,
                                    std::string_view version);

}  // namespace fluxgate::api

// Whether a JSON value fits a schema of an OpenAPI 3.1 document: the keywords that our document and the
// model catalogue use. A keyword that is not known is a finding too, so that none is passed over.
#pragma once

#include <string>
#include <vector>

#include <boost/json.hpp>

namespace fluxgate::integration {

// What does not fit, each with its place ("/data/0/status: …"); empty when all fits. `root` resolves $ref.
std::vector<std::string> misfits(const boost::json::value& value, const boost::json::value& schema,
                                 const boost::json::value& root);

}  // namespace fluxgate::integration

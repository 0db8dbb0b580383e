// Files that the client puts into the store itself:
//   POST /api/v1/uploads/direct           the request it is to make
//   POST /api/v1/uploads/{id}/complete    it has made it: what is there is read back, judged and kept as every upload
// Such an upload is seen and given up as one of tus_routes.h.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_direct_upload_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

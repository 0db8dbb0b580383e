// /api/v1/flux/upload-image and upload-images: pictures to work from, kept under the caller's name
// (spec/seed-api.md §2.5). Streamed to disk part by part; nothing is kept unless every part is good.
//
// Not as in the original: refusals have their own statuses (413, 415, 422), the type is decided by the
// bytes, metadata is removed, names end in what the file is.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

inline constexpr std::size_t kUploadsMax = 10;  // files in one request

void add_upload_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

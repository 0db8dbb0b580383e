// Files that come in one request, kept under the caller's name:
//   /api/v1/flux/upload-image, upload-images               pictures to work from (spec/seed-api.md §2.5)
//   /api/v1/kling-lip-sync/upload-video, upload-audio      a film, a voice (§7)
//   /api/v1/uploads/import                                 a data URI that was pasted, or a public link
// Forms are streamed to disk part by part; nothing is kept unless every part is good. What comes in several requests:
// tus_routes.h; what goes to the store without passing here: direct_upload_routes.h.
//
// Not as in the original: refusals have their own statuses (413, 415, 422), the type is decided by the
// bytes, metadata is removed, names end in what the file is.
#pragma once

#include "api/context.h"
#include "files/uploads.h"

namespace fluxgate::api {

inline constexpr std::size_t kUploadsMax = 10;  // files in one request

// What a client is told of a file it has brought.
boost::json::object kept_json(const Api& api, const files::KeptFile& kept, Language language);

// The member `kind`: image, video, audio or any, which is the default.
files::Purpose read_kind(Members& body);

void add_upload_routes(http::Router& router, const ApiPtr& api);

}  // namespace fluxgate::api

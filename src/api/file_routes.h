// GET /files/{id}/{name}: a stored file or its preview. A signed link is enough (files/links.h); without
// one the caller must be its owner or an admin. `w` = 320, 640 or 1280 gives a preview, in WebP, or in AVIF where
// Accept or `f` says so; `download=1` has browsers save it under date and prompt.
//
// The bytes behind an id never change, so browsers keep them. They come from strangers: no type is
// guessed, and a document among them may run nothing.
#pragma once

#include "api/context.h"

namespace fluxgate::api {

void add_file_routes(http::Router& router, const ApiPtr& api);

// A Content-Disposition with a name of plain characters and, where it differs, the full one (RFC 6266).
std::string content_disposition(bool download, std::string_view name);

}  // namespace fluxgate::api

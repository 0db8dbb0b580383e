// What a user may give as an input picture: a file of ours, the picture itself, or a public link
// (DESIGN §8). Decided from the text alone; nothing is looked up or fetched here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "files/files.h"

namespace fluxgate::files {

struct OwnFile { std::string id; };      // its owner is still to be checked
struct InlineImage { std::string bytes; };  // to be kept as an upload, which checks and cleans it
struct PublicUrl { std::string url; };   // passed check_fetch_url; its address is checked when fetched

using InputRef = std::variant<OwnFile, InlineImage, PublicUrl>;
using Loc = std::vector<std::variant<std::string, std::int64_t>>;

inline constexpr std::uint64_t kInlineLimit = 10 * 1024 * 1024;  // decoded bytes of a data URI

// A file's refusal, with its place in the body. What names a field already, and what is no fault of the file, stays as it is.
std::unexpected<Error> refused_at(Error error, Loc loc);

// Ours are "/files/{id}/…", the same on one of `own_origins`, and a bare UUID. `exempt_origins` as in
// net::check_fetch_url. Errors: Errc::invalid with one field error at `loc` that names the rule as its type
// (image_missing, data_uri, data_uri_too_large, image_type, own_link, url_…), and whose `input` shows what
// was received, cut to 100 characters. For another purpose than pictures the bytes inside are left for the store to
// judge.
Result<InputRef> classify_input(std::string_view value, Loc loc, const std::vector<std::string>& own_origins,
                                const std::vector<std::string>& exempt_origins = {},
                                std::uint64_t inline_limit = kInlineLimit, Purpose purpose = Purpose::upload);

}  // namespace fluxgate::files

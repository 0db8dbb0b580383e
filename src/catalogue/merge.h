// Everything that varies in a descriptor is a JSON Merge Patch (RFC 7396): a descriptor that `extends`
// another, the members beside `$use`, an endpoint's `schema`. In a patch null removes a member.
#pragma once

#include <string>

#include <boost/json.hpp>

#include "catalogue/schema.h"

namespace fluxgate::catalogue {

void merge_patch(boost::json::value& target, const boost::json::value& patch);

// One patch for two that follow each other: as above, but null stays, to remove what it meets later. (Patches
// of this kind cannot say "an object in place of what was there"; a member is an object in both or in none.)
void join_patches(boost::json::value& first, const boost::json::value& second);

// A descriptor after its patches were joined: takes out what null stands for, except in the endpoints'
// `schema`, which are patches themselves, and where a schema says null (`default`, `const`).
void remove_nulls(boost::json::object& descriptor);

// Replaces each {"$use": "name", …} in `value` by parts[name], patched with the members beside it. A part may
// use others. Unknown names and circles are problems.
void resolve_parts(boost::json::value& value, const boost::json::object& parts, const std::string& pointer,
                   Problems& problems);

}  // namespace fluxgate::catalogue
